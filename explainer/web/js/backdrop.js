// The pictures under the maps: sent once for each run. (Runs after state.js.)
function show() {
  const pictures = props.value;
  if (!pictures?.images) return;
  const {now} = sightline;
  sightline.set({pictures: {...pictures}, image: pictures.run === now.pictures.run ? now.image : 0});
}
watch('value', show);
show();
