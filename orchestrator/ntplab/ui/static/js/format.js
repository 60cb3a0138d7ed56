// Numbers with units, in the language of the page.
import { locale } from "./words.js";

const UNITS = [[1e9, "s"], [1e6, "ms"], [1e3, "µs"], [1, "ns"]];

function number(value, digits) {
  return value.toLocaleString(locale(), { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

// 5.80 s, 241 ms, 12 µs: three digits that mean something.
export function span(ns) {
  const size = Math.abs(ns);
  if (size >= 86_400e9) return `${number(size / 86_400e9, 1)} d`;
  if (size >= 3600e9) return `${number(size / 3600e9, 2)} h`;
  const [unit, name] = UNITS.find(([one]) => size >= one) ?? UNITS[3];
  const value = size / unit;
  return `${number(value, name === "ns" ? 0 : value >= 100 ? 0 : value >= 10 ? 1 : 2)} ${name}`;
}

export const signed = (ns) => (ns === 0 ? "0 ns" : `${ns > 0 ? "+" : "−"}${span(ns)}`);

// 12:00:01.204 of milliseconds since 1970, UTC.
export function clockTime(ms, digits = 3) {
  const iso = new Date(Math.floor(ms)).toISOString();
  return digits ? iso.slice(11, 13 + 6 + 1 + digits) : iso.slice(11, 19);
}

export const seconds = (ms) => `${number(ms / 1000, 1)} s`;
export const count = (n) => n.toLocaleString(locale());
