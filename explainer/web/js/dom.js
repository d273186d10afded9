// Small helpers for building the page.
/**
 * Create an element.
 * @template {keyof HTMLElementTagNameMap} K
 * @param {K} tag
 * @param {string} [name] its class
 * @param {string | number} [text]
 * @returns {HTMLElementTagNameMap[K]}
 */
export function make(tag, name, text) {
  const node = document.createElement(tag);
  if (name) node.className = name;
  if (text !== undefined) node.textContent = String(text);
  return node;
}

/**
 * Find an element that has to be there.
 * @param {ParentNode} node in which it is
 * @param {string} selector
 * @returns {HTMLElement}
 */
export function partOf(node, selector) {
  const part = node.querySelector(selector);
  if (!part) throw new Error(`there is no ${selector}`);
  return part;
}

/**
 * Fill in the {places} of a text from Python.
 * @param {string} text
 * @param {Record<string, unknown>} values
 * @returns {string}
 */
export function fill(text, values) { return text.replace(/\{(\w+)\}/g, (_, name) => String(values[name])); }

/**
 * Find where an arrow key, Home or End leads in a list, and keep the browser from scrolling.
 * @param {KeyboardEvent} event
 * @param {number} at place in the list
 * @param {number} last the last place
 * @returns {number | null} null for other keys
 */
export function along(event, at, last) {
  if (event.ctrlKey || event.metaKey || event.altKey) return null;
  /** @type {Record<string, number>} */
  const steps = {ArrowRight: at + 1, ArrowDown: at + 1, ArrowLeft: at - 1, ArrowUp: at - 1, Home: 0, End: last};
  const to = steps[event.key];
  if (to === undefined) return null;
  event.preventDefault();
  return Math.min(last, Math.max(0, to));
}

/**
 * Return the element that an event goes to.
 * @param {Event} event
 * @returns {HTMLElement}
 */
export function targetOf(event) { return /** @type {HTMLElement} */ (event.target); }

/**
 * Return the element that has the focus.
 * @returns {HTMLElement | null}
 */
export function focused() { return /** @type {HTMLElement | null} */ (document.activeElement); }

/**
 * List the elements directly in another.
 * @param {HTMLElement} node
 * @returns {HTMLElement[]}
 */
export function childrenOf(node) { return /** @type {HTMLElement[]} */ ([...node.children]); }
