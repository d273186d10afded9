// Folds whose scripts have addresses of their own: a script is loaded when its fold is first opened.
import {make, partOf} from './dom.js';

/** @type {Record<string, Promise<void>>} */
const loads = {};

/** @type {(address: string) => Promise<void>} */
function load(address) {
  return loads[address] ??= new Promise((done, fail) => {
    const script = make('script');
    script.src = address;
    script.addEventListener('load', () => done());
    script.addEventListener('error', () => {
      delete loads[address];  // opening it again tries again
      fail(new Error(`${address} could not be loaded`));
    });
    document.head.append(script);
  });
}

/**
 * Build a fold when it is first opened. `props.words` has its `title`, and what is `unreachable`.
 * @param {string} name of its module, which exports `unfold`
 * @param {string} address of its script
 * @param {Context} context
 * @returns {void}
 */
export function fold(name, address, context) {
  const root = /** @type {HTMLDetailsElement} */ (partOf(context.element, 'details'));
  const message = make('p', 'sl-caption'), says = context.props.words;
  let opened = false;
  message.setAttribute('role', 'status');
  root.append(make('summary', '', says.title), message);
  root.addEventListener('toggle', async () => {
    if (!root.open || opened) return;
    opened = true;
    message.textContent = '';
    try {
      await load(address);
    } catch {
      opened = false;
      message.textContent = says.unreachable;
      return;
    }
    message.remove();
    document.sightline.modules[`${name}.js`].unfold(context);
  });
}
