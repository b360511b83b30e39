// Fetches what came twice a second, and does what a button asks for; a figure beside the button goes with it.
"use strict";
const came = document.getElementById("came");
const said = document.getElementById("said");
async function renew() {
  if (document.getSelection().isCollapsed && !document.hidden) {
    try { came.innerHTML = await (await fetch("/came")).text(); } catch { said.textContent = "沙箱已停止 the sandbox has stopped"; }
  }
  setTimeout(renew, 500);
}
document.addEventListener("click", async (event) => {
  const asked = event.target.dataset?.post;
  if (!asked) return;
  const figures = new URLSearchParams([...document.querySelectorAll("input[name]")].map((one) => [one.name, one.value]));
  const [path, query] = asked.split("?");
  for (const [name, value] of new URLSearchParams(query)) figures.set(name, value);
  said.textContent = "… " + event.target.textContent;
  const answer = await fetch(path + "?" + figures, { method: "POST" });
  const text = await answer.json();
  said.textContent = text.refused ?? text.said ?? (text.seconds ? `重置 reset: ${text.seconds} s` : `✓ ${event.target.textContent}`);
});
renew();
