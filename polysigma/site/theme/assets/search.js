"use strict";
// The search and the filters of the list of detections. Without script the list stands as it is.

const LETTER = { e: "exact", a: "approximate", b: "blind", r: "refused" };
const LEVELS = ["critical", "high", "medium", "low", "informational", "not stated"];
const MOST = 60;

async function unpacked(text) {
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).json();
}

function field(name, label, options, chosen) {
  const box = element("label", {}, label);
  const select = element("select", { name });
  select.append(element("option", { value: "" }, "any"));
  for (const [value, words] of options) select.append(element("option", { value }, words));
  select.value = chosen || "";
  if (select.selectedIndex < 0) select.value = "";
  box.append(select);
  return box;
}

function matches(one, asked, platforms) {
  const [title, address, level, techniques, sources, fidelity, words] = one;
  if (asked.severity && level !== asked.severity) return false;
  if (asked.source && !sources.includes(asked.source)) return false;
  if (asked.technique && !techniques.some((name) => name === asked.technique || name.startsWith(asked.technique + "."))) return false;
  if (asked.platform || asked.fidelity) {
    const letters = asked.platform ? fidelity[platforms.indexOf(asked.platform)] : fidelity;
    const wanted = asked.fidelity ? asked.fidelity[0] : null;
    // A platform alone asks for what can be converted to it.
    if (wanted ? !letters.includes(wanted) : letters === "r") return false;
  }
  return holds(asked.q, [title, address, level, ...techniques, ...sources, words]);
}

function holds(asked, texts) {
  const all = texts.join(" ").toLowerCase();
  return asked.toLowerCase().split(/\s+/).every((word) => all.includes(word));
}

async function search() {
  const place = document.getElementById("search");
  const list = document.getElementById("list");
  const index = await unpacked(packedIndex);
  const names = index.techniques;
  const platforms = Object.keys(index.platforms);
  const query = new URLSearchParams(location.search);
  const used = (at) => [...new Set(index.detections.flatMap((one) => one[at]))].sort();
  const form = element("form", { class: "filters", "aria-label": "Filters" });
  const words = element("label", {}, "Words");
  words.append(element("input", { type: "search", name: "q", value: query.get("q") || "" }));
  form.append(
    words,
    field("technique", "Technique", Object.entries(names).map(([id, name]) => [id, id + " " + name]), query.get("technique")),
    field("platform", "Platform", Object.entries(index.platforms), query.get("platform")),
    field("fidelity", "Fidelity", Object.values(LETTER).map((word) => [word, word]), query.get("fidelity")),
    field("severity", "Severity", LEVELS.filter((level) => index.detections.some((one) => one[2] === level)).map((level) => [level, level]), query.get("severity")),
    field("source", "Data source", used(4).map((name) => [name, name]), query.get("source")),
  );
  const clear = element("button", { type: "reset" }, "Clear");
  form.append(clear);
  const status = element("p", { role: "status" });
  const results = element("ul", { class: "found" });
  const more = element("button", { type: "button" }, "Show more");
  more.hidden = true;
  place.append(form, status, results, more);
  document.querySelector("header form").hidden = true;

  let shown = MOST;
  const texts = new Map(index.detections.map((one) => [one, one[3].map((id) => names[id]).join(" ")]));
  function update() {
    const asked = Object.fromEntries(new FormData(form));
    asked.q = asked.q.trim();
    const given = Object.entries(asked).filter(([, value]) => value);
    history.replaceState(null, "", given.length ? "?" + new URLSearchParams(given) : location.pathname);
    list.hidden = given.length > 0;
    results.replaceChildren();
    status.textContent = "";
    more.hidden = true;
    if (!given.length) return;
    const found = index.detections.filter((one) => matches([...one.slice(0, 6), one[6] + " " + texts.get(one)], asked, platforms));
    const others = given.length === 1 && asked.q ? index.others.filter((one) => holds(asked.q, one)) : [];
    status.textContent = found.length + (found.length === 1 ? " detection" : " detections") + (others.length ? ", " + others.length + " other pages" : "");
    for (const one of others.slice(0, 10)) results.append(line(one[0], one[1], one[2]));
    for (const one of found.slice(0, shown)) {
      const there = platforms.map((name, at) => [name.replaceAll("_", " "), LETTER[one[5][at]]]).filter(([, word]) => word !== "refused");
      results.append(line(one[0], one[1], [one[2], one[3].join(", "), one[4].join(", "), there.map(([name, word]) => name + " " + word).join(", ")].filter(Boolean).join(" · ")));
    }
    more.hidden = found.length <= shown;
  }
  function line(title, address, facts) {
    const item = element("li");
    item.append(element("a", { href: "../" + address + (location.protocol === "file:" && address.endsWith("/") ? "index.html" : "") }, title), element("span", { class: "facts" }, facts));
    return item;
  }
  form.addEventListener("input", () => { shown = MOST; update(); });
  form.addEventListener("reset", () => setTimeout(() => { shown = MOST; for (const one of form.querySelectorAll("select")) one.value = ""; form.q.value = ""; update(); }));
  form.addEventListener("submit", (event) => event.preventDefault());
  more.addEventListener("click", () => { const first = results.children.length; shown += MOST; update(); const next = results.children[first]; if (next) next.querySelector("a").focus(); });
  update();
}
document.addEventListener("DOMContentLoaded", search);
