// The chips: one listbox, answer first, prompt below. Text enters through textContent only.
// props.value from Python: {run, active, chips, live}; back to Python: {run, active}.
const box = element.querySelector('.sl-tokens');
let run = null, active = null, behind = 0, again = 0;
const chips = () => [...box.querySelectorAll('.sl-chip')];

function mark(chip, focus) {
  for (const other of chips()) {
    other.tabIndex = -1;
    other.setAttribute('aria-selected', 'false');
  }
  chip.tabIndex = 0;
  chip.setAttribute('aria-selected', 'true');
  if (focus) chip.focus();
}

function select(chip) {
  if (!chip || run === null) return;
  mark(chip, true);
  const index = Number(chip.dataset.chip);
  if (index === active) return;
  active = index;
  props.value = {run, active};
  trigger('select', {index});
}

function make(item, live) {
  const chip = document.createElement('button');
  chip.type = 'button';
  chip.className = 'sl-chip';
  chip.dataset.chip = item.index;
  chip.dir = 'auto';
  chip.tabIndex = -1;
  chip.setAttribute('role', 'option');
  chip.setAttribute('aria-selected', 'false');
  chip.setAttribute('aria-label', item.label ?? item.text);
  if (live) chip.setAttribute('aria-disabled', 'true');
  chip.textContent = item.text;
  return chip;
}

function group(role, label, items, live) {
  const part = document.createElement('div'), name = document.createElement('span');
  part.className = `sl-group sl-${role}`;
  part.setAttribute('role', 'group');
  part.setAttribute('aria-label', label);
  name.className = 'sl-role';
  name.setAttribute('aria-hidden', 'true');
  name.textContent = label;
  part.append(name, ...items.map(item => make(item, live)));
  return part;
}

function show() {
  const value = props.value;
  if (!value?.chips) return;  // our own {run, active} coming back
  const {chips: items, live = false} = value;
  if (value.run && value.run === run) {  // sent twice: keep what was chosen in the meantime
    props.value = {run, active};
    return;
  }
  run = value.run ?? null;
  active = value.active ?? null;
  const answer = items.filter(item => item.role === 'answer');
  const prompt = items.filter(item => item.role === 'prompt');
  const parts = [];
  if (answer.length || live) parts.push(group('answer', 'Answer', answer, live));
  if (prompt.length) parts.push(group('prompt', 'Prompt', prompt, live));
  box.replaceChildren(...parts);
  box.classList.toggle('sl-live', live);
  const chosen = chips().find(chip => Number(chip.dataset.chip) === active) ?? chips()[0];
  if (chosen && active !== null) mark(chosen, false);
  else if (chosen) chosen.tabIndex = 0;
  if (!live) props.value = {run, active};
}

box.addEventListener('click', event => select(event.target.closest('.sl-chip')));
box.addEventListener('keydown', event => {
  const chip = event.target.closest('.sl-chip');
  if (!chip || event.ctrlKey || event.metaKey || event.altKey) return;
  const row = [...chip.parentNode.querySelectorAll('.sl-chip')], at = row.indexOf(chip);
  const rows = [...box.querySelectorAll('.sl-group')], line = rows.indexOf(chip.parentNode);
  const enter = other => other?.querySelector('[aria-selected=true]') ?? other?.querySelector('.sl-chip');
  const target = {
    ArrowRight: () => row[at + 1] ?? chip,
    ArrowLeft: () => row[at - 1] ?? chip,
    Home: () => row[0],
    End: () => row[row.length - 1],
    ArrowDown: () => enter(rows[line + 1]) ?? chip,
    ArrowUp: () => enter(rows[line - 1]) ?? chip,
  }[event.key]?.();
  if (!target) return;
  event.preventDefault();
  select(target);
});
// Of very fast choices the last one can go out with the value of an earlier one: ask once more.
document.addEventListener('drawn', event => {
  clearTimeout(again);
  if (event.detail.run !== run || event.detail.chip === active) return void (behind = 0);
  if (behind++ < 5) again = setTimeout(() => {
    props.value = {run, active};
    trigger('select', {index: active});
  }, 80);
});
watch('value', show);
show();
