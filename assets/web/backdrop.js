// The pictures under the maps: sent once for each run and handed on to the map view.
function show() {
  if (props.value?.images) document.dispatchEvent(new CustomEvent('sightline:picture', {detail: {...props.value}}));
}
watch('value', show);
show();
