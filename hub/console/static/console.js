"use strict";
// What htmx needs of us: a tick while the page is seen. And keys, which are off in fields and can be switched off.
(() => {
  const EVERY_MS = 2000;
  const off = () => localStorage.getItem("keys") === "off";
  let verdict = "";
  const tick = () => {
    const live = document.querySelector("[data-live]");
    if (live && document.visibilityState === "visible") live.dispatchEvent(new Event("tick"));
  };
  setInterval(tick, EVERY_MS);
  document.addEventListener("visibilitychange", tick);
  document.addEventListener("htmx:after:swap", () => {
    const said = document.querySelector("[data-verdict]");
    const text = said ? said.textContent.trim() : "";
    const kind = text.slice(0, 1);
    // One polite line when the verdict changes its kind, and never for figures.
    if (verdict && kind !== verdict) document.getElementById("said").textContent = text;
    verdict = kind;
  });
  const groups = { o: "overview", f: "feeds", c: "cards", t: "terms", a: "audit", s: "system" };
  let waits = false;
  const row = (step) => {
    const links = [...document.querySelectorAll(".data tbody tr")].map((one) => one.querySelector("a")).filter(Boolean);
    if (!links.length) return;
    const at = links.findIndex((link) => link === document.activeElement);
    links[Math.max(0, Math.min(links.length - 1, at + step))].focus();
  };
  document.addEventListener("keydown", (event) => {
    if (off() || event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, select, textarea")) return;
    if (waits) {
      waits = false;
      const link = groups[event.key] && document.querySelector(`.menu a[href][data-group="${groups[event.key]}"]`);
      if (link) link.click();
      return;
    }
    if (event.key === "/") { const find = document.getElementById("find"); if (find) { event.preventDefault(); find.focus(); } }
    else if (event.key === "g") waits = true;
    else if (event.key === "j") row(1);
    else if (event.key === "k") row(-1);
    else if (event.key === "?") location.href = "/me";
  });
  document.addEventListener("DOMContentLoaded", () => {
    const button = document.getElementById("keys");
    if (!button) return;
    const show = () => { button.textContent = off() ? button.dataset.on : button.dataset.off; };
    button.hidden = false;
    show();
    button.addEventListener("click", () => { localStorage.setItem("keys", off() ? "on" : "off"); show(); });
  });
})();
