"use strict";

async function show(id, path, key) {
  const answer = await fetch(path, { cache: "no-store" });
  const said = await answer.json();
  document.getElementById(id).textContent = said[key];
}

function start() {
  show("greeting", "api/greeting", "greeting");
  show("version", "version", "version");
  const item = globalThis.Office?.context?.mailbox?.item;
  if (item?.subject) {
    document.getElementById("subject").textContent = item.subject;
  }
}

if (globalThis.Office?.onReady) {
  globalThis.Office.onReady(start);
} else {
  start();
}
