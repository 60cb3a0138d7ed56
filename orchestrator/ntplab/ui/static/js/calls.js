// Changing calls. What the server refuses is said on the page, in its words.
import { byId, setText } from "./dom.js";
import { t } from "./words.js";

let working = 0;

export async function call(path, body = {}) {
  working += 1;
  show();
  try {
    const answer = await fetch(path, {
      method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body),
      credentials: "same-origin",
    });
    if (!answer.ok) {
      const said = await answer.json().catch(() => ({ title: answer.statusText }));
      trouble([said.title, said.hint].filter(Boolean).join("; "));
      return false;
    }
    trouble("");
    return true;
  } catch {
    trouble(t("callLost"));
    return false;
  } finally {
    working -= 1;
    show();
  }
}

export function trouble(text) {
  const place = byId("trouble");
  place.hidden = !text;
  setText(place, text);
}

function show() {
  setText(byId("working"), working ? t("working") : "");
  for (const button of document.querySelectorAll("#controls button, #library button")) button.disabled = working > 0;
}
