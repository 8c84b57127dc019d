// Language and theme: what the browser asks for, until a person chooses.

import { en, type Words } from "../words/en";
import { es } from "../words/es";
import { ja } from "../words/ja";

export const LANGUAGES = { en: "English", ja: "日本語", es: "Español" } as const;
export type Language = keyof typeof LANGUAGES;
export type Theme = "auto" | "light" | "dark";

const DICTIONARIES: Record<Language, Words> = { en, ja, es };

export function remembered(name: string): string {
  try {
    return localStorage.getItem(`knowhub.${name}`) ?? "";
  } catch {
    return "";
  }
}

export function remember(name: string, value: string): void {
  try {
    if (value) localStorage.setItem(`knowhub.${name}`, value);
    else localStorage.removeItem(`knowhub.${name}`);
  } catch {
    /* storage is full or switched off: it holds until the page is closed */
  }
}

function isLanguage(name: string): name is Language {
  return Object.hasOwn(LANGUAGES, name);
}

function preferred(): Language {
  const wanted = [remembered("language"), ...navigator.languages.map((tag) => tag.slice(0, 2).toLowerCase())];
  return wanted.find(isLanguage) ?? "en";
}

function isTheme(name: string): name is Theme {
  return name === "light" || name === "dark" || name === "auto";
}

class Preferences {
  language = $state<Language>(preferred());
  theme = $state<Theme>(isTheme(remembered("theme")) ? (remembered("theme") as Theme) : "auto");

  /** The language as dates and numbers are written where the reader is: `en-IE`. */
  get locale(): string {
    return navigator.languages.find((tag) => tag.toLowerCase().startsWith(this.language)) ?? this.language;
  }

  get words(): Words {
    return DICTIONARIES[this.language];
  }

  chooseLanguage(language: Language): void {
    this.language = language;
    remember("language", language);
    this.show();
  }

  chooseTheme(theme: Theme): void {
    this.theme = theme;
    remember("theme", theme === "auto" ? "" : theme);
    this.show();
  }

  /** On the document itself, where the style sheet and screen readers look. */
  show(): void {
    document.documentElement.lang = this.language;
    document.documentElement.dataset.theme = this.theme;
  }
}

export const preferences = new Preferences();
