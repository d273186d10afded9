// The chips: one listbox, answer first, prompt below. Text enters through textContent only.
// props.value from Python: {run, subject, chips, live}; back to Python: {run, subject}.
// (Runs after state.js.)
const box = element.querySelector('.sl-tokens'), {now} = sightline;
const chips = () => [...box.querySelectorAll('.sl-chip')];

function mark(chosen) {
  for (const chip of chips()) {
    chip.tabIndex = -1;
    chip.setAttribute('aria-selected', String(chip === chosen));
  }
  const first = chosen ?? chips()[0];
  if (first) first.tabIndex = 0;  // one stop for the Tab key
}

function select(chip) {
  if (!chip || now.run === null) return;
  chip.focus();
  sightline.set({subject: subjectOf(chip), peek: null});
}

const subjectOf = chip => ({chip: Number(chip.dataset.chip)});

// The chip of what is explained, whoever chose it, is the marked one.
function follow() {
  if (now.run === null) return;
  const key = sightline.canonical(now.subject);
  if (sightline.canonical(props.value) !== sightline.canonical({run: now.run, subject: now.subject})) {
    props.value = {run: now.run, subject: now.subject};
  }
  mark(chips().find(chip => sightline.canonical(subjectOf(chip)) === key));
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
  if (!value?.chips) return;  // our own {run, subject} coming back
  const {chips: items, live = false} = value;
  const answer = items.filter(item => item.role === 'answer');
  const prompt = items.filter(item => item.role === 'prompt');
  const parts = [];
  if (answer.length || live) parts.push(group('answer', 'Answer', answer, live));
  if (prompt.length) parts.push(group('prompt', 'Prompt', prompt, live));
  box.replaceChildren(...parts);
  box.classList.toggle('sl-live', live);
  if (live) return sightline.set({run: null, peek: null});
  if (value.run && value.run === now.run) return follow();  // sent twice: what was chosen meanwhile stays
  const subjects = [...answer, ...prompt].map(item => ({chip: item.index}));
  sightline.set({run: value.run ?? null, subject: value.subject ?? null, subjects, peek: null});
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
box.addEventListener('pointerover', event => {
  const chip = event.target.closest('.sl-chip');
  if (event.pointerType === 'mouse' && chip && now.run !== null) sightline.set({peek: subjectOf(chip)});
});
box.addEventListener('pointerleave', () => sightline.set({peek: null}));
sightline.on('run subject', follow);
watch('value', show);
show();
