// Marks that a reader gives outputs: right, wrong, or a note. The browser keeps them by row and output.
"use strict";
const PREFIX = "spearmint:marks:";
const memory = new Map(); // what the browser does not keep, as for some files

// Marks are read anew each time: another tab may have changed them.
function marksOf(row) {
  if (memory.has(row.digest)) return memory.get(row.digest);
  try {
    return JSON.parse(localStorage.getItem(PREFIX + row.digest)) || {};
  } catch { /* it keeps nothing, or something else wrote there */ }
  return {};
}

function keepMarks(row, marks) {
  try {
    if (Object.keys(marks).length) localStorage.setItem(PREFIX + row.digest, JSON.stringify(marks));
    else localStorage.removeItem(PREFIX + row.digest);
    memory.delete(row.digest);
    return true;
  } catch {
    memory.set(row.digest, marks);
    return false;
  }
}

// Calls a function when another tab has changed marks.
function whenMarkedElsewhere(changed) {
  addEventListener("storage", ({ key }) => {
    if (key === null || key.startsWith(PREFIX)) changed();
  });
}

// Changes the mark of an output, and tells whether the browser keeps it.
function mark(row, digest, about, change) {
  const marks = { ...marksOf(row) };
  const one = { mark: null, note: "", ...marks[digest], ...about, ...change };
  if (one.mark === null && one.note === "") delete marks[digest];
  else marks[digest] = one;
  return keepMarks(row, marks);
}

// JSON Lines, which spearmint.precomputed reads.
function linesOf(rows) {
  const lines = [];
  const seen = new Set([null]); // Equal rows share their marks.
  for (const row of rows) {
    if (seen.has(row.digest)) continue;
    seen.add(row.digest);
    for (const [output, one] of Object.entries(marksOf(row))) {
      lines.push(JSON.stringify({ row: row.digest, output, mark: one.mark, note: one.note, number: row.number, case: one.case, text: one.text }));
    }
  }
  return lines;
}

// Takes marks over that were saved before, and tells how many are of rows that are here.
function takeMarks(rows, text) {
  const known = new Map(rows.map((row) => [row.digest, row]));
  let count = 0;
  for (const line of text.split("\n")) {
    if (line.trim() === "") continue;
    const { row, output, mark: given, note, case: label, text: begins } = JSON.parse(line);
    if (!known.has(row)) continue;
    mark(known.get(row), output, { case: label, text: begins }, { mark: given, note: note || "" });
    count += 1;
  }
  return count;
}

// What lets a reader mark an output.
function markControls(row, digest, about, changed) {
  const group = document.createElement("span");
  group.className = "marks";
  const note = document.createElement("input");
  const buttons = ["right", "wrong"].map((word) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = { right: "✓ right", wrong: "✗ wrong" }[word];
    button.setAttribute("aria-label", `${word}: ${about.case}`);
    button.addEventListener("click", () => {
      const now = marksOf(row)[digest];
      changed(mark(row, digest, about, { mark: now && now.mark === word ? null : word }));
    });
    return [word, button];
  });
  const show = () => {
    const now = marksOf(row)[digest] || { mark: null, note: "" };
    for (const [word, button] of buttons) button.setAttribute("aria-pressed", String(now.mark === word));
    if (document.activeElement !== note) note.value = now.note; // what is being typed stays
  };
  note.type = "text";
  note.placeholder = "note";
  note.setAttribute("aria-label", `note: ${about.case}`);
  note.addEventListener("change", () => changed(mark(row, digest, about, { note: note.value.trim() })));
  group.append(...buttons.map(([, button]) => button), note);
  group.show = show; // Equal outputs of a row share one mark.
  show();
  return group;
}
