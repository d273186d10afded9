// Parts whose scripts have addresses of their own: a script is loaded when its part is needed first,
// as a fold is when it is opened.
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
 * Load the script of a part, unless it is here.
 * @template Given what the part is built with
 * @param {string} name of its module, which exports `unfold`
 * @param {string} address of its script
 * @returns {Promise<{unfold(context: Given): void}>} the module; rejected if it could not be loaded
 */
export async function bring(name, address) {
  await load(address);
  return document.sightline.modules[`${name}.js`];
}

/**
 * Build a fold when it is first opened. `props.words` has its `title`, and what is `unreachable`.
 * @param {string} name of its module, which exports `unfold`
 * @param {string} address of its script
 * @param {Context<{words: {title: string, unreachable: string}}>} context
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
    const part = await bring(name, address).catch(() => null);
    opened = part !== null;
    if (!part) message.textContent = says.unreachable;
    else {
      message.remove();
      part.unfold(context);
    }
  });
}
