// The reason that the server gave for refusing a request. Gradio tells failure handlers nothing of
// it, but shows it in a message box of its own; the newest one that was not read yet is read there.
const BOX = '.toast-message-text.error';
const DRAWN_MS = 50;  // until Gradio has drawn it
// What Gradio's client says by itself when no reason came.
const NO_REASON = /^(An (unexpected )?error occurred|This application is|Connection |Could not |Failed to |\W*$)/i;
const read = new WeakSet();

/**
 * Return the reason of the refusal that has just come, or a general sentence if none came.
 * @param {string} general
 * @returns {Promise<string>}
 */
export async function refusal(general) {
  await new Promise(done => setTimeout(done, DRAWN_MS));
  const fresh = [...document.querySelectorAll(BOX)].filter(box => !read.has(box));
  for (const box of fresh) read.add(box);
  const reason = fresh.at(-1)?.textContent?.trim() ?? '';
  return NO_REASON.test(reason) ? general : reason;
}
