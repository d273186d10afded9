// Looks after a visitor who waits for the model: where the server falls silent, or the page was
// loaded anew meanwhile, that is said, and Explain works again.
import {targetOf} from './dom.js';
import {sightline} from './state.js';

/**
 * Look after a visitor who waits for the model.
 * @param {{root: HTMLElement, message: HTMLElement, say(text: string, kind: string): void}} view
 * @param {Pick<Context<ViewProps>, 'props' | 'trigger'>} context
 * @returns {void}
 */
export function guard({root, message, say}, {props, trigger}) {
  const SILENCE_MS = 20e3;  // the server says every few seconds that it is still there
  const SETTLED_MS = 1500;
  const ASKED = 'sightline.asked';
  let silence = 0;

  // A browser may keep no storage, in a frame of another site for instance.
  /** @type {(is?: boolean) => string | null} */
  function asked(is) {
    try {
      if (is === undefined) return sessionStorage.getItem(ASKED);
      if (is) sessionStorage.setItem(ASKED, 'yes');
      else sessionStorage.removeItem(ASKED);
    } catch { /* then it is not remembered */ }
    return null;
  }

  /** @type {(waits: boolean) => void} */
  function wait(waits) {
    clearTimeout(silence);
    asked(waits);
    if (waits) silence = setTimeout(giveUp, SILENCE_MS);
  }

  function giveUp() {
    say(props.words.silent, 'error');
    root.dataset.stopped = String(Date.now());  // so that its end counts as wanted
    trigger('lost', {});
  }

  new MutationObserver(() => wait(root.classList.contains('sl-busy'))).observe(message, {childList: true});
  document.addEventListener('click', event => {
    const pressed = targetOf(event).closest?.('#sl-run, #sl-stop');
    if (pressed) root.dataset.stopped = pressed.id === 'sl-stop' ? String(Date.now()) : '0';
    if (pressed?.id === 'sl-run') wait(true);
  });
  // Said once the controls have their values, since whatever changes with them is cleared away.
  if (asked()) setTimeout(() => { if (sightline.now.run === null) say(props.words.interrupted, 'error'); }, SETTLED_MS);
}
