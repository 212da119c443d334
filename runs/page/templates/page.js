"use strict";
// Shows the copy buttons, which need this script, and lets them copy. Nothing else on the page needs it.
for (const button of document.querySelectorAll("button[data-copy]")) {
  button.hidden = false;
  button.addEventListener("click", async () => {
    const parts = button.dataset.copy.split(" ").map((id) => document.getElementById(id).textContent);
    const text = parts.join("\n");
    let copied = true;
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      const area = document.createElement("textarea");
      area.value = text;
      document.body.append(area);
      area.select();
      copied = document.execCommand("copy");
      area.remove();
      button.focus();
    }
    document.getElementById("said").textContent = copied ? "Copied." : "Copying is not allowed here.";
    button.classList.toggle("copied", copied);
    setTimeout(() => button.classList.remove("copied"), 1500);
  });
}
