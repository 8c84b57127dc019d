// Times and numbers as people of a language write them.

export function day(time: string | null, language: string): string {
  return formatted(time, language, { dateStyle: "medium" });
}

export function moment(time: string | null, language: string): string {
  return formatted(time, language, { dateStyle: "medium", timeStyle: "short" });
}

function formatted(time: string | null, language: string, options: Intl.DateTimeFormatOptions): string {
  const date = time ? new Date(time) : null;
  return date && !Number.isNaN(date.getTime()) ? new Intl.DateTimeFormat(language, options).format(date) : "";
}

const UNITS: [Intl.RelativeTimeFormatUnit, number][] = [
  ["day", 86400],
  ["hour", 3600],
  ["minute", 60],
];

/** "3 hours ago", "in 12 minutes"; the date where it is more than a month away. */
export function ago(time: string | null, language: string): string {
  const seconds = time ? (new Date(time).getTime() - Date.now()) / 1000 : Number.NaN;
  if (Number.isNaN(seconds)) return "";
  if (Math.abs(seconds) > 30 * 86400) return day(time, language);
  const [unit, size] = UNITS.find(([, size]) => Math.abs(seconds) >= size) ?? ["minute", 60];
  return new Intl.RelativeTimeFormat(language, { numeric: "auto" }).format(Math.round(seconds / size), unit);
}

export function duration(seconds: number, language: string): string {
  const unit = seconds < 90 ? "second" : seconds < 5400 ? "minute" : "hour";
  const value = unit === "second" ? seconds : unit === "minute" ? seconds / 60 : seconds / 3600;
  const digits = value < 10 ? 1 : 0;
  const style: Intl.NumberFormatOptions = { style: "unit", unit, unitDisplay: "short", maximumFractionDigits: digits };
  return new Intl.NumberFormat(language, style).format(value);
}
