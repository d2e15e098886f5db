// The board follows the stream: each change of an indicator changes its tile, nothing is reloaded.
"use strict";
const words = document.body.dataset;
const lang = words.lang;
const word = (name) => words[name.replace(/_(\w)/g, (_, c) => c.toUpperCase())] || "";
const figure = (tile, value) => value === null ? "–" : value.toLocaleString("en-US", {
  minimumFractionDigits: Number(tile.dataset.decimals), maximumFractionDigits: Number(tile.dataset.decimals),
});
const put = (tile, name, text) => { const spot = tile.querySelector(`[data-${name}]`); if (spot) spot.textContent = text; };

function show(item, fresh) {
  const tile = document.getElementById(item.id);
  if (!tile) return;
  put(tile, "value", figure(tile, item.value));
  put(tile, "progress", item.progress === null ? "–" : (item.progress * 100).toFixed(2));
  put(tile, "verdict-text", word(item.verdict));
  put(tile, "expected", figure(tile, item.expected_to_date));
  put(tile, "forecast", figure(tile, item.forecast));
  put(tile, "gap", figure(tile, item.gap));
  put(tile, "fraction", (item.numerator ?? "–") + (item.denominator === null ? "" : ` ÷ ${item.denominator}`));
  const state = tile.querySelector("[data-state]");
  state.hidden = item.state === "ok";
  state.textContent = word(item.state);
  const bar = tile.querySelector("[data-bar]");
  if (bar) bar.setAttribute("width", Math.max(0, Math.min(100, (item.progress || 0) * 100)));
  const updated = tile.querySelector("[data-updated]");
  if (updated && item.updated_at) {
    updated.dateTime = item.updated_at;
    updated.textContent = `${words.updated} ${item.updated_at.slice(0, 16).replace("T", " ")}`;
  }
  tile.classList.remove("achieved", "on_track", "at_risk", "behind", "not_assessable");
  tile.classList.add(item.verdict);
  if (item.target) tile.dataset.verdict = item.verdict;
  if (item.as_of) document.getElementById("as-of").textContent = item.as_of;
  if (fresh) { tile.classList.add("changed"); setTimeout(() => tile.classList.remove("changed"), 2500); }
  if (tile.open) towns(tile);
}

function count() {
  for (const spot of document.querySelectorAll("[data-count]")) {
    spot.textContent = document.querySelectorAll(`.tile[data-verdict="${spot.dataset.count}"]`).length;
  }
}

async function towns(tile) {
  const answer = await fetch(`/metrics/v1/indicators/${tile.id}?by=town`);
  if (!answer.ok) return;
  const cells = (await answer.json()).breakdown || [];
  const table = tile.querySelector("table");
  table.replaceChildren(...cells.map((cell) => {
    const row = document.createElement("tr");
    for (const text of [cell.name?.[lang] || cell.key, cell.value === null ? word(cell.state) : figure(tile, cell.value)]) {
      row.appendChild(document.createElement("td")).textContent = text;
    }
    return row;
  }));
  table.hidden = cells.length === 0;
}

function follow() {
  const connection = document.getElementById("connection");
  if (!connection || !window.EventSource) return;
  connection.textContent = words.connecting;
  const stream = new EventSource("/metrics/v1/stream");
  stream.onopen = () => { connection.textContent = words.live; };
  stream.onerror = () => { connection.textContent = words.lost; };
  stream.addEventListener("snapshot", (event) => { JSON.parse(event.data).items.forEach((item) => show(item, false)); count(); });
  stream.addEventListener("indicator", (event) => { show(JSON.parse(event.data), true); count(); });
}

for (const tile of document.querySelectorAll(".tile")) tile.addEventListener("toggle", () => { if (tile.open) towns(tile); });
follow();
