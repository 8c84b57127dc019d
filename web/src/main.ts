import { mount } from "svelte";
import App from "./App.svelte";
import "./page.css";
import { preferences } from "./state/preferences.svelte";

preferences.show();
mount(App, { target: document.getElementById("page")! });
