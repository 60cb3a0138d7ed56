// One color per server, told apart with any kind of color vision (Okabe and Ito), and a dash for the rest.
const LIGHT = ["#0072b2", "#d55e00", "#009e73", "#a0568a", "#7a5c00", "#2b8fc4", "#444444"];
const DARK = ["#56b4e9", "#ff9248", "#2fd0a0", "#e39cc9", "#f0e442", "#9ad1f5", "#dddddd"];
const DASHES = [[], [8, 4], [2, 3], [10, 3, 2, 3]];

export function isDark() {
  const chosen = document.documentElement.dataset.theme;
  if (chosen === "dark" || chosen === "light") return chosen === "dark";
  return matchMedia("(prefers-color-scheme: dark)").matches;
}

export const colorOf = (index) => (isDark() ? DARK : LIGHT)[index % LIGHT.length];
export const dashOf = (index) => DASHES[Math.floor(index / LIGHT.length) % DASHES.length];
export const cssColor = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
