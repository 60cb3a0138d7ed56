// First of all scripts. Where a lab comes up or goes down, network interfaces do, and Chromium then
// drops whatever it is loading (ERR_NETWORK_CHANGED): a page of which a part is missing loads again.
const KEY = "loaded-again";
const TIMES_MAX = 5;
const WAIT_MS = 300;

let waiting = false;

function count() {
  try { return Number(sessionStorage.getItem(KEY) ?? 0); } catch { return TIMES_MAX; }
}

function again() {
  const times = count();
  if (waiting || times >= TIMES_MAX) return;
  waiting = true;
  sessionStorage.setItem(KEY, times + 1);
  setTimeout(() => location.reload(), WAIT_MS * (times + 1));
}

addEventListener("error", (event) => {
  if (event.target instanceof HTMLScriptElement || event.target instanceof HTMLLinkElement) again();
}, true);

addEventListener("load", () => {
  try { if (!waiting) sessionStorage.removeItem(KEY); } catch { /* nothing was stored */ }
});
