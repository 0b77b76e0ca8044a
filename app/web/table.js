// All answers as one table: CSV (RFC 4180) in UTF-8, with a mark at the start for Excel.

/** @returns {string} a row per photo, failed ones too, in the order in which they were added */
export function csv(photos) {
  const categories = categoriesOf(photos);
  const head = ["file", "bytes", "modified", "true_label", "label", "class_id", "confidence",
    "needs_review", "review_reasons", "labels", "background", "rotation",
    "garment_probability",
    ...categories.map((label) => `probability ${label}`),
    "error_code", "error_detail", "model", "model_version",
    "model_sha256", "request_id", "milliseconds"];
  const rows = photos.map(({ name, file, prediction: p, problem, truth }) => [
    name, ...versionOf(file, problem), truth, p?.label, p?.class_id, rounded(p?.confidence),
    p?.needs_review, p?.review_reasons.join(" "), p?.labels.join("; "), p?.background,
    p?.rotation, rounded(p?.garment_probability),
    ...categories.map((label) => rounded(probabilityOf(p, label))),
    problem?.code, problem?.detail, p?.model?.name, p?.model?.version, p?.model?.sha256,
    p?.request_id ?? problem?.request_id, p?.timings_ms.total,
  ]);
  return `\ufeff${[head, ...rows].map((row) => row.map(cell).join(",")).join("\r\n")}\r\n`;
}

/** Tells files of the same name apart: cameras restart their numbering. */
function versionOf(file, problem) {
  // Of a file that is gone, browsers say 0 bytes and the present time.
  if (!file || problem?.code === "unreadable_file") return ["", ""];
  return [file.size, new Date(file.lastModified).toISOString()];
}

/** The ten categories by class id, from the first answer that there is. */
function categoriesOf(photos) {
  const first = photos.find(({ prediction }) => prediction)?.prediction;
  return (first?.probabilities ?? [])
    .toSorted((a, b) => a.class_id - b.class_id)
    .map(({ label }) => label);
}

function probabilityOf(prediction, label) {
  return prediction?.probabilities.find((one) => one.label === label)?.probability;
}

function rounded(probability) {
  return probability?.toFixed(6);
}

function cell(value) {
  let text = String(value ?? "");
  // A spreadsheet would run a file name such as =1+2.jpg as a formula.
  if (/^[=+\-@\t\r]/.test(text)) text = `'${text}`;
  // Where the decimal mark is a comma, spreadsheets separate at ; as well.
  return /[",;\t\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
