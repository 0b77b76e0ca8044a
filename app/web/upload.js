// Sends photos as they are, and smaller those that the service refuses for their size.

import { drawn } from "./picture.js";
import { classify } from "./service.js";

const EDGE = 1600; // pixels of the longer one; the bundled model looks at 112
const SHORT_EDGE = 224; // pixels that are left of the shorter one, for long and narrow photos
const QUALITY = 0.9;
const ADVICE = "This browser cannot read it to make it smaller. Save it as a JPEG of at most " +
  `${EDGE} pixels on each side, and add that.`;

let tooMany = Infinity; // bytes of the smallest file that was refused for its bytes
let last = Promise.resolve(); // one at a time: 50 megapixels are 200 MB while they are drawn

/**
 * As `classify`; `sent` is the size of the picture that was sent instead of the file, if any.
 * @returns {Promise<{prediction?: object, problem?: Problem, roundTrip?: number, sent?: string}>}
 */
export async function upload(file, name, signal, note, query) {
  let answer;
  if (!(file?.size >= tooMany)) {
    answer = await classify(file, name, signal, note, query);
    if (!isTooLarge(answer.problem)) return answer;
    if (answer.problem.code !== "image_too_large") tooMany = Math.min(tooMany, file.size);
  }
  note("Too large for the service: making it smaller…");
  last = last.then(() => smaller(file)).catch(() => ({}));
  const { blob, sent } = await last;
  if (blob || !answer) answer = await classify(blob ?? file, name, signal, note, query);
  const { problem } = answer;
  if (blob || !isTooLarge(problem)) return { ...answer, sent };
  return { problem: { ...problem, detail: `${problem.detail} ${ADVICE}` } };
}

/** By the service, or by a proxy in between that has a limit of its own. */
function isTooLarge(problem) {
  return ["body_too_large", "image_too_large", "http_413"].includes(problem?.code);
}

/** @returns {Promise<{blob?: Blob | null, sent?: string}>} nothing: the browser cannot read it */
async function smaller(file) {
  const canvas = await drawn(file, (...edges) => Math.min(1,
    Math.max(EDGE / Math.max(...edges), SHORT_EDGE / Math.min(...edges))));
  if (!canvas) return {};
  const blob = await new Promise((done) => canvas.toBlob(done, "image/jpeg", QUALITY));
  return { blob, sent: `${canvas.width} x ${canvas.height} pixels` };
}
