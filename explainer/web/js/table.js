// A table of figures: names of columns, and rows whose first item is the `th` that names them.
import {make} from './dom.js';

/**
 * Create a table of figures.
 * @param {string[]} columns
 * @param {[HTMLTableCellElement, ...(string | number)[]][]} rows the first item of each is the `th` that names it
 * @returns {HTMLTableElement}
 */
export function figureTable(columns, rows) {
  const box = make('table'), head = make('tr'), top = make('thead'), lines = make('tbody');
  head.append(...columns.map(text => Object.assign(make('th', '', text), {scope: 'col'})));
  lines.append(...rows.map(([name, ...cells]) => {
    const row = make('tr');
    row.append(Object.assign(name, {scope: 'row'}), ...cells.map(cell => make('td', '', cell)));
    return row;
  }));
  top.append(head);
  box.append(top, lines);
  return box;
}
