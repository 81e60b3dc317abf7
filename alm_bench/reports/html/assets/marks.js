// Marks: what a listener holds against an item. They stay in this browser and are saved as a JSON file.

const MARK_KEY = "alm_bench_marks";
const ANSWER_KINDS = { "answer-right": "answer right", "answer-partly": "answer partly right", "answer-wrong": "answer wrong" };
const MARK_KINDS = { "parsed-wrongly": "parsed wrongly", "reference-wrong": "reference wrong", "clip-broken": "clip broken", ...ANSWER_KINDS };

const marks = { list: [], stored: true };

function readMarks() {
  try {
    const found = JSON.parse(localStorage.getItem(MARK_KEY) || "null");
    marks.list = checkMarks(found) || [];
  } catch {
    marks.stored = false; // some browsers do not store anything for files
  }
}

/** Return the marks of a document; null if it is not a file of marks. */
function checkMarks(found) {
  if (!found || found.alm_bench_marks !== 1 || !Array.isArray(found.marks)) return null;
  return found.marks.filter((mark) => mark && typeof mark.run === "string" && typeof mark.id === "string" && MARK_KINDS[mark.kind]);
}

function marksDocument() {
  return { alm_bench_marks: 1, marks: marks.list };
}

function storeMarks() {
  try {
    localStorage.setItem(MARK_KEY, JSON.stringify(marksDocument()));
  } catch {
    marks.stored = false;
  }
}

function findMarks(entry) {
  return marks.list.filter((mark) => mark.run === entry.run.id && mark.id === entry.id);
}

function saveMarks() {
  const url = URL.createObjectURL(new Blob([JSON.stringify(marksDocument(), null, 1) + "\n"], { type: "application/json" }));
  const link = el("a", { href: url, download: "marks.json" });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(url), 1000);
}

async function loadMarks(file, status) {
  let found = null;
  try {
    found = checkMarks(JSON.parse(await file.text()));
  } catch {
    found = null;
  }
  if (found === null) {
    status.textContent = "This is not a file of marks: expected the JSON that “Save” writes.";
    return;
  }
  const known = new Set(marks.list.map((mark) => JSON.stringify(mark)));
  marks.list.push(...found.filter((mark) => !known.has(JSON.stringify(mark))));
  storeMarks();
  route();
}

/** Return the form that marks an item, and the marks that it has. */
function buildMarkForm(entry, redraw) {
  const { question } = entry;
  // answers in free text are graded by people; an option is right or wrong by the data
  const kinds = Object.entries(MARK_KINDS).filter(([value]) => !question.choices.length || !ANSWER_KINDS[value]);
  const kind = el("select", { id: "mark-kind" }, kinds.map(([value, text]) => option(value, text)));
  const choices = question.choices.length
    ? el("select", { id: "mark-answer" }, option("", "not given"), question.choices.map((choice, index) => option(String(index), "(" + letter(index) + ") " + choice)))
    : el("input", { id: "mark-answer", type: "text" });
  const note = el("textarea", { id: "mark-note", rows: 2 });
  const add = (event) => {
    event.preventDefault();
    const value = choices.value === "" ? null : question.choices.length ? question.choices[Number(choices.value)] : choices.value;
    marks.list.push({ run: entry.run.id, task: entry.run.task, id: entry.id, kind: kind.value, answer: value, note: note.value });
    storeMarks();
    redraw();
  };
  const made = findMarks(entry).map((mark) => el("li", null,
    el("strong", null, MARK_KINDS[mark.kind]), mark.answer ? [": ", isolated(mark.answer)] : null, mark.note ? [" – ", isolated(mark.note)] : null, " ",
    el("button", { type: "button", click: () => { marks.list.splice(marks.list.indexOf(mark), 1); storeMarks(); redraw(); } }, "Remove")));
  return el("form", { class: "marks", submit: add },
    el("h3", null, "Mark this item"),
    made.length ? el("ul", null, made) : null,
    el("label", null, el("span", null, "kind"), kind),
    el("label", null, el("span", null, "right answer, as you hear it"), choices),
    el("label", { class: "wide" }, el("span", null, "note"), note),
    el("button", { type: "submit" }, "Mark"));
}

function drawMarks(box) {
  const status = el("p", { role: "status" });
  const rows = marks.list.map((mark) => {
    const run = findRun(mark.run);
    const link = run ? el("a", { href: address({ view: "items", run: mark.run, item: mark.id }) }, isolated(mark.id)) : isolated(mark.id);
    return el("tr", null, el("td", null, link), el("td", null, isolated(run ? run.label : mark.run)), el("td", null, MARK_KINDS[mark.kind]), el("td", null, isolated(mark.answer || "")), el("td", null, isolated(mark.note || "")));
  });
  const input = el("input", { type: "file", accept: "application/json,.json", id: "marks-file", change: (event) => event.target.files[0] && loadMarks(event.target.files[0], status) });
  box.replaceChildren(
    el("h2", null, "Marks"),
    el("p", null, "Items that you marked as parsed wrongly, as having a wrong reference or a broken clip. ",
      marks.stored ? "They are kept in this browser." : "This browser does not keep them: save them before you close the page.",
      " Save them as a file for ", el("code", null, "alm-bench review marks.json"), "."),
    el("p", { class: "deck" }, el("button", { type: "button", id: "save-marks", click: saveMarks }, "Save as marks.json"), el("label", null, "Load a file ", input)),
    status,
    rows.length ? el("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "Marks" }, el("table", null,
      el("thead", null, el("tr", null, ["item", "run", "kind", "right answer", "note"].map((title) => el("th", { scope: "col" }, title)))), el("tbody", null, rows))) : el("p", null, "No item is marked."));
}
