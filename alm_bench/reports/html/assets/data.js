// Content of the page: runs, questions and answers, as the JSON of the page describes them.

const DATA = JSON.parse(document.getElementById("report-data").textContent);
const RUNS = DATA.runs;
const CLIPS = DATA.clips;
const ENTRIES = [];
const BY_ITEM = new Map();

RUNS.forEach((run, index) => {
  run.index = index;
  run.entries = run.answers.map((answer, position) => {
    const question = DATA.questions[answer.q];
    const entry = { run, answer, question, position, id: question.id };
    const key = run.task + "\n" + question.id;
    if (!BY_ITEM.has(key)) BY_ITEM.set(key, []);
    BY_ITEM.get(key).push(entry);
    ENTRIES.push(entry);
    return entry;
  });
});

function findRun(id) {
  return RUNS.find((run) => run.id === id) || null;
}

/** Return the answers of all runs to the same item, in the order of the runs. */
function findSiblings(entry) {
  return BY_ITEM.get(entry.run.task + "\n" + entry.id);
}

function findIn(run, id) {
  const found = run && BY_ITEM.get(run.task + "\n" + id);
  return (found && found.find((entry) => entry.run === run)) || null;
}

/** Return the change from `other` to `entry`: gained, lost, both right, both wrong, or null without two scores. */
function findChange(entry, other) {
  if (!other || entry.answer.value === undefined || other.answer.value === undefined) return null;
  const gain = (entry.answer.value - other.answer.value) * (entry.run.higher ? 1 : -1);
  if (gain > 0) return "gained";
  if (gain < 0) return "lost";
  if (entry.answer.result === "right") return "both right";
  return entry.answer.result === "wrong" ? "both wrong" : "same score";
}

function describeAnswer(entry) {
  const { answer, question } = entry;
  if (answer.chosen && question.choices.length) {
    return answer.chosen.map((index) => "(" + letter(index) + ") " + (question.choices[index] ?? "?")).join(" + ");
  }
  return answer.parsed ?? answer.text ?? answer.reason ?? answer.status;
}

function describeReference(question) {
  if (question.references.length) {
    return question.references.map((index) => "(" + letter(index) + ") " + question.choices[index]).join(" + ");
  }
  return question.texts.length ? question.texts[0] : "none";
}

function describeQuestion(question) {
  const [, text] = question.fields.find(([name]) => name === "question") || question.fields[0] || ["", question.prompt];
  return text;
}

function searchText(entry) {
  if (entry.search === undefined) {
    const { question, answer } = entry;
    const parts = [entry.id, question.prompt, ...question.choices, ...question.texts, answer.text || "", answer.reason || "", answer.reasoning || ""];
    entry.search = parts.join("\n").toLowerCase();
  }
  return entry.search;
}
