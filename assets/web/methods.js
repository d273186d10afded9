// The menu of methods. props.methods: [{name, label, summary, why}], `why` one cannot be shown.
// (Runs after state.js, paint.js and toolbar.js.)
function methodMenu(methods, text) {
  const can = methods.filter(method => !method.why), cannot = methods.filter(method => method.why);
  const rows = can.map(({name, label, summary}) => {
    const row = check(label, summary, () => {
      const shown = can.map(m => m.name).filter((_, i) => rows[i].input.checked);
      if (shown.length) sightline.set({methods: shown});
      else row.put(true);  // one has to stay
    });
    row.box.append(make('small', '', summary));
    row.input.value = name;
    return row;
  });
  sightline.on('methods', () => rows.forEach(row => row.put(sightline.now.methods.includes(row.input.value))));
  const others = make('p', 'sl-norm', cannot.length ? `${cannot.map(m => m.label).join(', ')}: ${cannot[0].why}` : '');
  return menu(text.methods, text.methodsLong, ...rows.map(row => row.box), others);
}
