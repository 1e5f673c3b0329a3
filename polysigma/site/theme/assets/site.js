"use strict";
// Everything here is a convenience: without it a page shows all that it has.

const remembered = {
  get(key) { try { return localStorage.getItem(key); } catch { return null; } },
  set(key, value) { try { localStorage.setItem(key, value); } catch { /* a private window */ } },
};

// Colours: the system's, or what was chosen.
const COLOURS = ["system", "light", "dark"];
function colours(name) {
  if (name === "system") document.documentElement.removeAttribute("data-colours");
  else document.documentElement.dataset.colours = name;
}
colours(COLOURS.includes(remembered.get("colours")) ? remembered.get("colours") : "system");

function element(name, attributes, text) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes || {})) made.setAttribute(key, value);
  if (text !== undefined) made.textContent = text;
  return made;
}

function switchOfColours() {
  let now = COLOURS.includes(remembered.get("colours")) ? remembered.get("colours") : "system";
  const button = element("button", { type: "button", class: "switch" });
  const name = () => { button.textContent = { system: "◐", light: "☀", dark: "☾" }[now]; button.setAttribute("aria-label", "Colours: " + now); button.title = "Colours: " + now; };
  button.addEventListener("click", () => {
    now = COLOURS[(COLOURS.indexOf(now) + 1) % COLOURS.length];
    remembered.set("colours", now); colours(now); name();
  });
  name();
  document.querySelector("header form").after(button);
}

// Blocks of code get a button that copies exactly their text.
function copyable(block) {
  if (block.querySelector(".copy")) return;
  const code = block.querySelector("code");
  const language = block.dataset.language || "";
  const button = element("button", { type: "button", class: "copy" }, "Copy");
  button.setAttribute("aria-label", "Copy " + (language === "console" ? "the command" : language || "the text"));
  button.addEventListener("click", async () => {
    let done = true;
    try { await navigator.clipboard.writeText(code.textContent); } catch { done = false; }
    if (!done) { getSelection().selectAllChildren(code); done = document.execCommand("copy"); }
    button.textContent = done ? "Copied" : "Press Ctrl+C";
    say(done ? "Copied" : "The text is selected: press Ctrl+C");
    setTimeout(() => { button.textContent = "Copy"; }, 2000);
  });
  block.append(button);
}

let speaker;
function say(words) {
  if (!speaker) { speaker = element("div", { role: "status", class: "skip" }); document.body.append(speaker); }
  speaker.textContent = words;
}

// Tabs: one platform at a time, the same one on every page.
function tabs(box) {
  const panels = [...box.children];
  const list = element("div", { role: "tablist", "aria-label": "Platform" });
  const buttons = panels.map((panel) => {
    const label = panel.querySelector("h3");
    const button = element("button", { type: "button", role: "tab", id: "tab-" + panel.id, "aria-controls": panel.id }, label.textContent);
    label.hidden = true;
    panel.setAttribute("role", "tabpanel");
    panel.setAttribute("aria-labelledby", button.id);
    panel.tabIndex = 0;
    button.addEventListener("click", () => choose(panel.dataset.tab));
    list.append(button);
    return button;
  });
  box.show = (key) => {
    const at = panels.findIndex((panel) => panel.dataset.tab === key);
    if (at < 0) return;
    panels.forEach((panel, number) => {
      panel.hidden = number !== at;
      buttons[number].setAttribute("aria-selected", String(number === at));
      buttons[number].tabIndex = number === at ? 0 : -1;
    });
    panels[at].querySelectorAll(".bring").forEach(bring);
  };
  list.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: 1, ArrowUp: -1 }[event.key];
    const now = buttons.indexOf(document.activeElement);
    let next = event.key === "Home" ? 0 : event.key === "End" ? buttons.length - 1 : step ? (now + step + buttons.length) % buttons.length : -1;
    if (next < 0 || now < 0) return;
    event.preventDefault();
    choose(panels[next].dataset.tab);
    buttons[next].focus();
  });
  box.prepend(list);
  const named = panels.find((panel) => "#" + panel.id === location.hash);
  const before = panels.find((panel) => panel.dataset.tab === remembered.get("platform"));
  box.show((named || before || panels[0]).dataset.tab);
}
function choose(key) {
  remembered.set("platform", key);
  document.querySelectorAll(".tabs").forEach((box) => box.show(key));
}

// A block that stands on another page is brought here when its tab is opened; the link stays where that fails.
const pages = new Map();
async function bring(line) {
  if (line.dataset.done || location.protocol === "file:") return;
  line.dataset.done = "yes";
  const link = line.querySelector("a");
  try {
    const [address, mark] = link.href.split("#");
    if (!pages.has(address)) pages.set(address, fetch(address).then((answer) => (answer.ok ? answer.text() : Promise.reject(answer.status))));
    const page = new DOMParser().parseFromString(await pages.get(address), "text/html");
    const block = document.importNode(page.getElementById(mark), true);
    block.removeAttribute("id");
    for (const inner of block.querySelectorAll("a")) inner.href = new URL(inner.getAttribute("href"), address).href;
    line.replaceWith(block);
    if (block.matches("pre")) copyable(block);
  } catch { delete line.dataset.done; }
}

// From a disk nobody serves the page of a folder: links name it.
function fromDisk() {
  if (location.protocol !== "file:") return;
  const whole = (address) => address.replace(/\/(?=$|[?#])/, "/index.html");
  for (const link of document.querySelectorAll("a[href]")) if (link.protocol === "file:") link.href = whole(link.href);
  for (const form of document.querySelectorAll("form[action]")) form.action = whole(form.action);
}

document.addEventListener("DOMContentLoaded", () => {
  fromDisk();
  switchOfColours();
  document.querySelectorAll(".tabs").forEach(tabs);
  document.querySelectorAll("pre").forEach(copyable);
});
// What is folded away is printed, too.
addEventListener("beforeprint", () => document.querySelectorAll("details:not([open])").forEach((one) => { one.open = true; one.dataset.printed = ""; }));
addEventListener("afterprint", () => document.querySelectorAll("details[data-printed]").forEach((one) => { one.open = false; delete one.dataset.printed; }));
addEventListener("hashchange", () => {
  const panel = document.getElementById(location.hash.slice(1));
  if (panel && panel.dataset.tab) choose(panel.dataset.tab);
});
