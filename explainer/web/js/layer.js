// The decoder layer that maps are read from, for runs that hold several. It goes into every subject
// as {layer}; the last layer is what is meant without. (Runs after panel.js.)
const depth = dial({
  name: 'layer', label: props.layer.label, says: props.words, bounds: {low: 1, high: 1, step: 1}, value: 1, reset: null,
  title: props.layer.meaning, changed: lookAt,
});

// Look at the recorded layer that is nearest to a number; null stands for the last one.
function lookAt(number) {
  const {layers, extra} = sightline.now, last = layers.at(-1);
  const layer = layers.reduce((a, b) => Math.abs(b - (number ?? last)) < Math.abs(a - (number ?? last)) ? b : a, last);
  const {layer: _, ...others} = extra;
  depth.put(layer);
  sightline.set({extra: layer === last ? others : {...others, layer}});
}

others.append(depth.box);
sightline.on('layers', () => {
  const {layers} = sightline.now;
  depth.box.hidden = layers.length < 2;
  if (!layers.length) return;
  depth.text.textContent = fill(props.layer.label, {all: layers.at(-1)});
  for (const input of depth.box.querySelectorAll('input')) Object.assign(input, {min: layers[0], max: layers.at(-1)});
  lookAt(sightline.now.extra.layer ?? null);
});
