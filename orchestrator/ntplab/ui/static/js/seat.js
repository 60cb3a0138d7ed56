// One seat: both receipts side by side, and why both buyers were told yes.
import { byId, make, setText } from "./dom.js";
import { clockTime, signed, span } from "./format.js";
import { t } from "./words.js";

function rows(pairs) {
  return make("dl", {}, ...pairs.filter(([, value]) => value).flatMap(([name, value]) => [make("dt", {}, name), make("dd", { class: "digits" }, value)]));
}

function ticket(one) {
  return make("article", { class: "ticket" }, make("h3", {}, t("holder", { buyer: one.buyer })), rows([
    [t("issuedBy"), one.server],
    [t("stamped"), one.stamp ? clockTime(one.stamp) : ""],
    [t("trueAt"), (one.claimed ?? one.sent) ? clockTime(one.claimed ?? one.sent) : ""],
    [t("wrongBy"), one.divergence_ns === null || one.divergence_ns === undefined ? "" : signed(one.divergence_ns)],
    [t("receiptNo"), one.receipt ? one.receipt.slice(0, 8) : ""],
  ]));
}

function why(told) {
  if (!told.status) return null;
  if (told.status !== "explained") return t("whyNot", { reason: told.reason });
  if (!told.pair) return t("whyOther", { cause: told.cause });
  const [a, b] = told.pair;
  const { gap, skew } = told.numbers_ns;
  if (told.cause !== "clock-skew" || gap === undefined || skew === undefined) return t("whyOther", { cause: told.cause });
  return t("whySkew", { first: a.buyer, second: b.buyer, serverA: a.server, serverB: b.server, gap: span(gap), skew: span(skew) });
}

function formula(told) {
  const numbers = Object.entries(told.numbers_ns).filter(([, ns]) => ns !== null).map(([name, ns]) => `${name} = ${span(ns)}`);
  return make("p", { class: "formula digits" }, make("strong", {}, told.inequality), make("br"), numbers.join(" · "));
}

function body(told) {
  if (!told.receipts.length) return [make("p", {}, t("noReceipt"))];
  const tickets = (told.pair ?? told.receipts).map(ticket);
  const parts = [make("div", { class: "tickets" }, ...tickets)];
  const words = why(told);
  if (words) parts.unshift(make("p", { class: "why" }, words));
  if (told.inequality) parts.push(formula(told));
  if (told.words) parts.push(make("p", { class: "exact" }, t("exact"), " ", make("span", { lang: "en" }, told.words)));
  return parts;
}

export async function openSeat(phase, seat) {
  const dialog = byId("seat-dialog");
  setText(byId("seat-title"), t("seatTitle", { seat }));
  byId("seat-body").replaceChildren(make("p", {}, t("asking")));
  if (!dialog.open) dialog.showModal();
  const answer = await fetch(`/api/seat?${new URLSearchParams({ phase, seat })}`, { credentials: "same-origin" });
  if (!answer.ok) {
    byId("seat-body").replaceChildren(make("p", {}, t("gone")));
    return;
  }
  const told = await answer.json();
  const holders = new Set(told.receipts.map((one) => one.buyer)).size;
  setText(byId("seat-title"), t(holders > 2 ? "seatTitleMore" : holders > 1 ? "seatTitleTwice" : "seatTitle", { seat, n: holders }));
  byId("seat-body").replaceChildren(...body(told));
}
