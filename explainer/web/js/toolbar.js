// The small controls above the maps: buttons, menus that open, and choices. (Runs after paint.js.)
function tool(text, title, act) {
  const button = make('button', 'sl-tool', text);
  button.type = 'button';
  button.title = title;
  if (!/\p{L}/u.test(text)) button.setAttribute('aria-label', title);  // else it is called what it says
  button.addEventListener('click', act);
  return button;
}

// A button that opens a small window under it; a click elsewhere or Escape closes it.
function menu(label, title, ...content) {
  const box = make('details', 'sl-menu'), head = make('summary', 'sl-tool', label), sheet = make('div', 'sl-sheet');
  head.title = title;
  sheet.append(...content);
  box.append(head, sheet);
  document.addEventListener('pointerdown', event => { if (!box.contains(event.target)) box.open = false; });
  box.addEventListener('keydown', event => {
    if (event.key !== 'Escape' || !box.open) return;
    box.open = false;
    head.focus();
    event.stopPropagation();
  });
  return box;
}

// One of several, as {value: text}; `changed(value)` hears the person, `put` shows what is.
function choose(label, options, changed) {
  const box = make('label', 'sl-pick'), list = make('select', 'sl-choice');
  list.append(...Object.entries(options).map(([value, text]) => new Option(text, value)));
  list.setAttribute('aria-label', label);
  list.addEventListener('change', () => changed(list.value));
  box.append(make('span', 'sl-name', label), list);
  return {box, list, put(value) { list.value = value; }};
}

function check(label, title, changed) {
  const box = make('label', 'sl-check'), input = make('input');
  input.type = 'checkbox';
  box.title = title;
  input.addEventListener('change', () => changed(input.checked));
  box.append(input, make('span', '', label));
  return {box, input, put(on) { input.checked = on; }};
}
