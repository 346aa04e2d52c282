// Shows the rows of the table as they are scrolled to, filters them, and compares outputs with main's word by word.
const AT_ONCE = 50; // rows
const MOST_STEPS = 4e6; // of comparing two texts

const table = JSON.parse(document.getElementById("row-data").textContent);
const at = (id) => document.getElementById(id);
const made = (name, text, kind) => {
  const node = document.createElement(name);
  if (text !== undefined) node.textContent = text;
  if (kind) node.className = kind;
  return node;
};

// Inputs and outputs are in parts, which are read once they are asked for: from the page, or from files beside it.
const parts = new Map();
const { nonce } = document.currentScript;
const partOf = (row) => parts.get(row.part);
const outputOf = (row, column) => (row.outputs[column] === null ? null : partOf(row).outputs[row.outputs[column]]);
const textOf = (row, column) => (row.outputs[column] === null ? null : outputOf(row, column)[0]);

window.spearmintRows = (name, part) => parts.set(table.parts.indexOf(name), part);

// Goes on once the parts of rows are there: at once if the page holds them.
function withParts(rows, then) {
  const missing = [...new Set(rows.map((row) => row.part))].filter((number) => !parts.has(number));
  const outside = [];
  for (const number of missing) {
    if (table.parts[number] === null) parts.set(number, JSON.parse(at(`row-part-${number}`).textContent));
    else outside.push(number);
  }
  if (!outside.length) return then();
  at("row-told").textContent = "Reading…";
  const read = (number) => new Promise((resolve) => {
    const script = made("script");
    script.nonce = nonce;
    script.src = table.parts[number];
    script.addEventListener("load", () => resolve(parts.has(number)));
    script.addEventListener("error", () => resolve(false));
    document.head.append(script);
  });
  return Promise.all(outside.map(read)).then((all) => {
    const lost = outside[all.indexOf(false)];
    at("row-told").textContent = lost === undefined ? "" : `Cannot read ${table.parts[lost]}, which belongs beside this page.`;
    if (lost === undefined) then();
  });
}

let columns = [];
let metric = 0;
let turns = 0; // choices so far: one that waits for files is void once there is another
let found = [];
let shown = 0;

const filters = {
  all: () => true,
  scores: (row) => new Set(columns.map((one) => row.scores[metric][one]).filter((one) => one !== null)).size > 1,
  outputs: (row) => new Set(columns.map((one) => row.outputs[one]).filter((one) => one !== null)).size > 1,
  fails: (row) => columns.some((one) => row.scores[metric][one] === 0),
  errors: (row) => columns.some((one) => isError(row, one)),
  marked: (row) => isMarked(row),
  unmarked: (row) => !isMarked(row),
};

function isMarked(row) {
  return row.digest !== null && Object.keys(marksOf(row)).length > 0;
}

function isError(row, column) {
  return row.failed.includes(column) || (row.scores[metric][column] === null && !row.absent.includes(column));
}

function holds(row, words) {
  const has = (text) => text !== null && text.toLowerCase().includes(words);
  const given = partOf(row).rows[row.number];
  return given.inputs.some(([, text]) => has(text)) || given.expected.some(([, text]) => has(text))
    || columns.some((one) => has(textOf(row, one)));
}

function choose() {
  metric = Number(at("row-metric").value);
  const only = at("row-case").value;
  columns = only === "" ? table.cases.map((_, column) => column) : [0, Number(only)];
  const fails = at("row-filter").querySelector("option[value=fails]");
  fails.disabled = !table.metrics[metric].passes;
  if (fails.disabled && fails.selected) at("row-filter").value = "all";
  const words = at("row-words").value.trim().toLowerCase();
  const rows = table.rows.filter(filters[at("row-filter").value]);
  const turn = ++turns;
  if (words === "") show(rows);
  else withParts(rows, () => turn === turns && show(rows.filter((row) => holds(row, words))));
}

function show(rows) {
  found = rows;
  at("row-count").textContent = `${found.length.toLocaleString("en")} of ${table.rows.length.toLocaleString("en")} rows`;
  const head = made("tr");
  head.append(heading("row", "col"), ...columns.map((one) => heading((one ? "" : "◆ ") + table.cases[one], "col")));
  at("row-head").replaceChildren(head);
  at("row-body").replaceChildren();
  shown = 0;
  more();
}

function heading(text, scope) {
  const node = made("th", text);
  node.scope = scope;
  node.title = text;
  return node;
}

function more() {
  at("row-body").append(...found.slice(shown, shown + AT_ONCE).map(lineOf));
  shown = Math.min(shown + AT_ONCE, found.length);
  at("row-more").hidden = shown === found.length;
  at("row-more").textContent = `Show more (${(found.length - shown).toLocaleString("en")} left)`;
}

function lineOf(row) {
  const line = made("tr");
  const head = made("th");
  head.scope = "row";
  const button = made("button", `${row.number} ${row.head}`);
  button.type = "button";
  button.setAttribute("aria-expanded", "false");
  button.addEventListener("click", () => toggle(line, button, row));
  head.append(button);
  line.append(head, ...columns.map((one) => cellOf(row, one)));
  return line;
}

function cellOf(row, column) {
  const score = row.scores[metric][column];
  const main = row.scores[metric][0];
  if (row.failed.includes(column)) return made("td", "error", "failed");
  if (score === null) return made("td", row.absent.includes(column) ? "" : "–", "failed");
  const differs = column > 0 && main !== null && score !== main;
  return made("td", String(score), differs ? (score > main ? "up" : "down") : "");
}

function toggle(line, button, row) {
  const isOpen = button.getAttribute("aria-expanded") === "true";
  button.setAttribute("aria-expanded", String(!isOpen));
  const isThere = () => line.nextSibling?.classList.contains("opened");
  if (isOpen) return isThere() && line.nextSibling.remove();
  withParts([row], () => {
    if (button.getAttribute("aria-expanded") !== "true" || isThere()) return;
    const opened = made("tr", undefined, "opened");
    const cell = made("td", undefined, "text");
    cell.colSpan = columns.length + 1;
    cell.append(detailsOf(row));
    opened.append(cell);
    line.after(opened);
  });
}

function detailsOf(row) {
  const list = made("dl", undefined, "row-inputs");
  const given = partOf(row).rows[row.number];
  const pairs = [...given.inputs, ...given.expected.map(([name, text]) => [`${name} ✓`, text])];
  for (const [name, text] of pairs) list.append(made("dt", name), told(text));
  const main = textOf(row, 0);
  for (const one of columns) {
    const text = textOf(row, one);
    list.append(made("dt", `${one ? "" : "◆ "}${table.cases[one]}`));
    if (text === null) list.append(made("dd", row.failed.includes(one) ? "error" : "no output is kept"));
    else list.append(one === 0 || main === null ? told(text) : told(undefined, comparedOf(row, one)));
    if (text === null || row.digest === null || outputOf(row, one)[1] === null) continue;
    const about = { case: table.cases[one], text: text.slice(0, 80) };
    list.lastChild.append(markControls(row, outputOf(row, one)[1], about, hasMarked));
  }
  return list;
}

function told(text, nodes = []) {
  const item = made("dd");
  const code = made("code", text);
  code.append(...nodes);
  item.append(code);
  return item;
}

// What two outputs begin with may be the same where they are not.
function comparedOf(row, column) {
  const [main, ours] = [outputOf(row, 0), outputOf(row, column)];
  if (main[0] !== ours[0] || row.outputs[0] === row.outputs[column]) return compared(main[0], ours[0]);
  return [made("span", `${ours[0]} `), made("small", "begins as main")];
}

function showMarks() {
  for (const one of document.querySelectorAll(".marks")) one.show();
  countMarks();
}

function hasMarked(isKept) {
  showMarks();
  if (!isKept) at("row-told").textContent = "This browser keeps no marks: save them before you close the page.";
}

function countMarks() {
  const count = linesOf(table.rows).length;
  at("row-save").disabled = count === 0;
  at("row-save").textContent = count ? `Save ${count.toLocaleString("en")} marks` : "Save marks";
}

function saveMarks() {
  const link = made("a");
  link.href = URL.createObjectURL(new Blob([`${linesOf(table.rows).join("\n")}\n`], { type: "application/jsonl" }));
  link.download = "marks.jsonl";
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60000);
}

async function loadMarks() {
  const [file] = at("row-load").files;
  at("row-load").value = "";
  if (!file) return;
  try {
    const count = takeMarks(table.rows, await file.text());
    at("row-told").textContent = `Took ${count.toLocaleString("en")} marks of rows that are here.`;
  } catch (error) {
    at("row-told").textContent = `Cannot read ${file.name}: it holds no marks (${error.message}).`;
  }
  countMarks();
  choose();
}

// The longest common subsequence of words, between what both texts begin and end with.
function compared(main, text) {
  if (main === text) return [made("span", `${text} `), made("small", "as main")];
  const [ours, theirs] = [text, main].map((one) => one.match(/\s+|[^\s\p{L}\p{N}]|[\p{L}\p{N}]+/gu) || []);
  let first = 0;
  while (first < ours.length && first < theirs.length && ours[first] === theirs[first]) first += 1;
  let last = 0;
  while (last < ours.length - first && last < theirs.length - first
    && ours[ours.length - 1 - last] === theirs[theirs.length - 1 - last]) last += 1;
  const [a, b] = [theirs, ours].map((one) => one.slice(first, one.length - last));
  const changed = a.length * b.length > MOST_STEPS ? [["del", a], ["ins", b]] : steps(a, b);
  const parts = [["span", ours.slice(0, first)], ...changed, ["span", ours.slice(ours.length - last)]];
  return parts.filter(([, words]) => words.length).map(([kind, words]) => made(kind, words.join("")));
}

function steps(a, b) {
  const width = b.length + 1;
  const common = new Uint16Array((a.length + 1) * width);
  for (let i = a.length - 1; i >= 0; i -= 1) {
    for (let j = b.length - 1; j >= 0; j -= 1) {
      common[i * width + j] = a[i] === b[j] ? common[(i + 1) * width + j + 1] + 1
        : Math.max(common[(i + 1) * width + j], common[i * width + j + 1]);
    }
  }
  const parts = [];
  const add = (kind, word) => {
    if (parts.length && parts[parts.length - 1][0] === kind) parts[parts.length - 1][1].push(word);
    else parts.push([kind, [word]]);
  };
  let [i, j] = [0, 0];
  while (i < a.length || j < b.length) {
    if (i < a.length && j < b.length && a[i] === b[j]) {
      add("span", b[j++]);
      i += 1;
    } else if (j === b.length || (i < a.length && common[(i + 1) * width + j] >= common[i * width + j + 1])) add("del", a[i++]);
    else add("ins", b[j++]);
  }
  return parts;
}

table.metrics.forEach((one, place) => at("row-metric").append(new Option(one.name, place)));
at("row-case").append(new Option("all configs", ""));
table.cases.slice(1).forEach((label, place) => at("row-case").append(new Option(`main and ${label}`, place + 1)));
for (const id of ["row-metric", "row-case", "row-filter"]) at(id).addEventListener("change", choose);
let waiting = 0;
at("row-words").addEventListener("input", () => {
  clearTimeout(waiting);
  waiting = setTimeout(choose, 150);
});
at("row-more").addEventListener("click", more);
at("row-save").addEventListener("click", saveMarks);
at("row-load").addEventListener("change", loadMarks);
whenMarkedElsewhere(showMarks);
new IntersectionObserver((seen) => {
  if (seen.some((one) => one.isIntersecting) && !at("row-more").hidden) more();
}).observe(at("row-more"));
choose();
countMarks();
