// Talks to the service. What goes wrong comes back as a problem (RFC 9457), never as an exception.

const BUSY = [429, 503];
const TRIES = 20;
const LONGEST_WAIT = 30; // seconds
const TIME_LIMIT = 120_000; // milliseconds for one try, with the upload over a phone's network
const TIMEOUT = "timeout";
const UNREACHABLE = "unreachable";
const AWAY = [UNREACHABLE, "http_502", "http_503", "http_504"]; // or a proxy says so
const TIME_TO_RETURN = 30_000; // milliseconds

/**
 * @typedef {{title: string, detail: string, code: string, status: number, request_id?: string}}
 *   Problem
 */

/** For an answer with probabilities that cannot be shown. */
export const UNUSABLE = {
  code: "unusable_answer",
  title: "The answer cannot be shown",
  detail: "It lacks something that this page needs. The service may have another version by now.",
  status: 0,
};

/**
 * Send one photo to POST /predict, and again while the service says that it is busy. If that is away,
 * as while it is started anew, once more when it is back: a photo that ends it is not sent for ever.
 * @param {File | null} file null: it could not be opened
 * @param {(text: string) => void} note told why it takes longer
 * @param {string} query such as "?explain=true"
 * @returns {Promise<{prediction?: object, problem?: Problem, roundTrip?: number}>}
 *   one of `prediction` and `problem`; `roundTrip` in milliseconds
 */
export async function classify(file, name, signal, note, query = "") {
  let mayReturn = true;
  for (let tries = 1; ; tries += 1) {
    const { response, body, problem, roundTrip } = await post(file, name, signal, query);
    if (!problem) return { prediction: body, roundTrip };
    const seconds = Number.parseInt(response?.headers.get("Retry-After"), 10);
    const isBusy = BUSY.includes(response?.status) && seconds >= 0;
    if (signal.aborted) return { problem };
    if (isBusy && tries < TRIES) {
      note(`${problem.title}. Trying again…`);
      // Spread, so that the photos in flight do not all come back at the same moment.
      await sleep(Math.min(seconds, LONGEST_WAIT) * (1000 + Math.random() * 500));
    } else if (mayReturn && AWAY.includes(problem.code)) {
      note(`${problem.title}. Waiting for it…`);
      mayReturn = false;
      if (!await isBack(signal)) return { problem };
    } else {
      return { problem };
    }
  }
}

/** Whether a service that was away is ready within `TIME_TO_RETURN`. */
async function isBack(signal) {
  const end = performance.now() + TIME_TO_RETURN;
  for (let pause = 500; performance.now() < end && !signal.aborted; pause = Math.min(2 * pause, 4000)) {
    await sleep(pause);
    const response = await fetch("health/ready", { cache: "no-store", signal }).catch(() => null);
    if (response?.ok) return true;
  }
  return false;
}

function sleep(milliseconds) {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

async function post(file, name, signal, query) {
  try {
    // To Chromium a file that is gone is empty, and so is a part of it; only the whole is missed.
    await (file.size ? file.slice(0, 1) : file).arrayBuffer();
  } catch {
    return failure("unreadable_file", "The file cannot be read",
      "It was moved, deleted or changed since it was added. Add it again.");
  }
  const form = new FormData();
  form.append("file", file, name);
  const start = performance.now();
  const limit = AbortSignal.timeout(TIME_LIMIT);
  const either = new AbortController(); // Safari has AbortSignal.any only since 17.4
  const abort = () => either.abort();
  limit.addEventListener("abort", abort);
  signal.addEventListener("abort", abort);
  if (signal.aborted) abort();
  try {
    const response = await fetch(`predict${query}`, {
      method: "POST",
      body: form,
      signal: either.signal,
    });
    const body = await response.json().catch(nullIfNoJson);
    const roundTrip = performance.now() - start;
    if (response.ok && body?.probabilities) return { response, body, roundTrip };
    return { response, problem: problemOf(response, body) };
  } catch {
    if (limit.aborted) {
      return failure(TIMEOUT, "No answer", "The service did not answer within two minutes.");
    }
    return failure(UNREACHABLE, "The service cannot be reached",
      "Check that it runs and that this device has a connection, then try again.");
  } finally {
    signal.removeEventListener("abort", abort);
  }
}

/** A connection that ends in the middle of the answer is told as one that was never there. */
function nullIfNoJson(error) {
  if (error instanceof SyntaxError) return null;
  throw error;
}

function failure(code, title, detail) {
  return { problem: { code, title, detail, status: 0 } };
}

/** What a proxy in between answers is no problem+json: it still gets a code and words. */
function problemOf(response, body) {
  if (!response.ok && body?.code) return body;
  return {
    code: `http_${response.status}`,
    title: "The answer is not one of this service",
    detail: `HTTP ${response.status} ${response.statusText}`.trim(),
    status: response.status,
  };
}

/** Whether sending the same photo again can end otherwise. */
export function canBeRetried({ status }) {
  // Below 300 nothing came, or not the service's answer, such as a hotspot's page for logging in.
  return status < 300 || status === 408 || status === 429 || status >= 500;
}

/** Whether the upload may have been too slow. */
export function tookTooLong(problem) {
  return problem?.status === 408 || problem?.code === TIMEOUT;
}

/** The answer of GET /model, or null when there is none within a minute. */
export async function readModel() {
  for (let tries = 0; tries < 30; tries += 1) {
    const response = await fetch("model").catch(() => null);
    if (response?.ok) return response.json().catch(() => null);
    await sleep(2000);
  }
  return null;
}
