// Work of a fold that takes long: how far it is, what is said of it, and Stop.
import {make} from './dom.js';
import {tool} from './toolbar.js';

/**
 * Create what is shown of such work.
 * @param {{stop: string, stopLong: string, progress: string, waiting: string, unreachable: string}} says
 * @param {HTMLElement} body is marked as busy
 * @param {{halt(): void, changed(): void}} hears when Stop was pressed, and that the work began or ended
 * @returns {{box: HTMLElement, message: HTMLElement, readonly going: boolean, readonly stoppable: boolean, start(): void,
 *   halting(): void, step(at: {done?: number, total?: number, busy: string}): void,
 *   end(text: string, kind: string, result?: HTMLElement): void, say(text: string, kind: string): void}} `end` gives the focus,
 *   if it was on Stop or nowhere, to the text, or without one to the result: a late Enter does nothing there
 */
export function longWork(says, body, {halt, changed}) {
  const box = make('div', 'sl-work'), progress = make('progress'), count = make('span', 'sl-work-count');
  const message = make('p', 'sl-work-said'), stop = tool(says.stop, says.stopLong, halt);
  let going = false;
  message.setAttribute('role', 'status');
  progress.setAttribute('aria-label', says.progress);
  box.append(progress, count, stop);
  box.hidden = true;

  /** @type {(on: boolean) => void} */
  function goes(on) {
    going = on;
    box.hidden = !on;
    stop.disabled = false;
    progress.removeAttribute('value');
    count.textContent = '';
    body.setAttribute('aria-busy', String(on));
    changed();
  }

  /** @type {(text: string, kind: string) => void} */
  function say(text, kind) {
    message.textContent = text;
    message.dataset.kind = kind;
  }

  return {
    box, message, say,
    get going() { return going; },
    get stoppable() { return going && !stop.disabled; },
    start() {
      goes(true);
      say(says.waiting, '');
      stop.focus();
    },
    halting() { stop.disabled = true; },  // until the server says that it has stopped
    step({done = 0, total = 0, busy}) {
      if (total) Object.assign(progress, {max: total, value: done});
      count.textContent = busy;
      say('', '');
    },
    end(text, kind, result = message) {
      const here = box.contains(document.activeElement) || document.activeElement === document.body, told = text ? message : result;
      goes(false);
      say(text, kind);
      told.tabIndex = -1;
      if (here) told.focus();
    },
  };
}
