// Types of the messages between page and server, from calls.py, messages.py and
// page_messages.py of explainer/web.
// `python -m tests.message_types` writes them.

/** What is explained: a chip, several tokens, a word that was not said, or a contrast. A chip is given by its number. A word that was not said stands in place of the token `at`, and is given by its ids or its text. A contrast is why `plus` and not `minus`. `by` says how the maps of several tokens are combined; `layer` is the number of the decoder layer that maps are read from, the last one if it is left out. */
interface Explained {
  chip?: number;
  tokens?: number[];
  at?: number;
  ids?: number[];
  word?: string;
  by?: 'max' | 'mean' | 'first';
  plus?: Explained;
  minus?: Explained;
  layer?: number;
}

/** The sliders of MSEA + ARC: scales as [factor, whether it is on], their weights, k and β. */
interface PanelValue {
  alphas: [number, boolean][];
  weights?: number[] | null;
  k: number;
  beta: number | null;
}

/** About a run that the server keeps. */
interface RunCall {
  run: string;
}

/** About what is explained. */
interface SubjectCall extends RunCall {
  subject?: Explained | null;
}

/** About the maps of several subjects by the methods in `options`. */
interface SubjectsCall extends RunCall {
  subjects: Explained[];
  options: OptionValue;
}

/** About maps at the settings of both panels. */
interface MapCall extends SubjectCall {
  panel: PanelValue;
  options: OptionValue;
}

/** Hide what a map shows, or a box as shares of the picture's width and height. */
interface HidingCall extends MapCall {
  method: string;
  image: number;
  how: string;
  fill: string;
  box?: Rectangle | null;
}

/** Measure curves of the maps that are shown. */
interface MapTestCall extends MapCall {
  fill: string;
  steps: number;
}

/** Search for the parts that words need: the chosen word, the whole answer, or a counter-word. The counter-word is no in place of yes, or yes in place of no. */
interface EagleCall extends SubjectCall {
  target?: 'word' | 'answer' | 'counter';
  parts?: string;
  regions?: number;
  hiding?: string;
  image?: number;
}

/** Compare maps at the settings of both panels with what a search found. */
interface AgreementCall extends EagleCall {
  panel: PanelValue;
  options: OptionValue;
}

/** Bring a word in place of the token `at`. */
interface TypedCall extends RunCall {
  at: number;
  word: string;
}

/** Read an edited answer. */
interface AnswerCall extends RunCall {
  answer: string;
}

/** Ask something further about the pictures of a run. */
interface FollowUpCall extends RunCall {
  prompt: string;
}

/** Make a file of one of `formats.FORMATS`; `look` has fields of `export.Look`. `progress` knows a film by its ticket. */
interface SaveCall extends MapCall {
  format: string;
  look: Record<string, unknown>;
  ticket?: string;
}

/** The model menu: the model that serves, and the one to load. `ticket` is that of a load to cancel; `choices` counts what the person chose, and comes back. */
interface MenuCall {
  model?: string | null;
  asked?: string | null;
  ticket?: string;
  choices?: number;
}

/** The parameters of the page's address, and what the browser remembers. */
interface QueryCall {
  query: Record<string, string>;
  remembered?: unknown;
}

/** What Python says while the model works. */
interface Busy {
  busy: string;
}

/** A sentence for the person. */
interface Message {
  text: string;
  kind: 'error' | 'note' | 'busy' | '';
}

/** A map on one image. `shape` counts its rows and columns of equal cells, which lie in `frame` and show `extent` of the picture; `data` is one byte for each cell, row by row, in base64. Above the step `otsu` of the colour table lies what stands out, null if nothing does. `alt` describes the map. */
interface DrawnPart {
  shape: [number, number];
  extent: Rectangle;
  frame: Rectangle;
  data: string;
  otsu: number | null;
  alt: string;
}

/** A word of the answer with its reliance on the picture, `part`, 0 to 1. `at` is its place in the answer; `shares` those of picture, prompt and earlier words. */
interface RankedWord {
  at: number;
  subject: Explained;
  text: string;
  share: string;
  part: number;
  label: string;
  needed: boolean;
  shares: number[] | null;
}

/** The words of an answer, highest reliance first. */
interface RankedAnswer {
  run: string;
  sentence: string;
  words: RankedWord[];
}

/** A picture that the model was shown, as a data URI. */
interface ShownPicture {
  src: string;
  label: string;
}

/** How the words of an answer changed. `line` and `verdict` are about the chosen word, "" if it was not said; `rows` about all others that changed, most first. */
interface HidingResult {
  word: string;
  line: string;
  verdict: string;
  note: string;
  columns: string[];
  rows: string[][];
  rest: string;
  pictures: ShownPicture[];
}

/** Probabilities of a word over the share of the picture that is shown, or gone. */
interface CurveLine {
  label: string;
  share: number[];
  insertion: number[];
  deletion: number[];
}

/** The lowest, or the highest, of the random orders. */
interface CurveBounds {
  insertion: number[];
  deletion: number[];
}

/** The mean of the random orders. */
interface ChanceLine extends CurveLine {
  low: CurveBounds;
  high: CurveBounds;
}

/** Curves of maps, and of random orders once there is one. */
interface CurveChart {
  lines: CurveLine[];
  chance: ChanceLine | null;
}

/** How many pictures the model has read, and the curves that are ready. */
interface MapTestProgress extends Busy {
  done: number;
  total: number;
  word: string;
  chart: CurveChart;
}

/** What the curves of a word's maps mean; the last of the rows is that of the random orders. */
interface MapTestResult {
  chart: CurveChart;
  word: string;
  line: string;
  verdict: string;
  columns: string[];
  rows: string[][];
  rest: string;
}

/** A word that could have stood in place of a chip. */
interface WordCandidate {
  subject: Explained;
  text: string;
  share: string;
}

/** Candidates for each chip, by its number. */
interface WordPlaces {
  run: string;
  answer: string;
  places: WordCandidate[][];
}

/** Words that the model reads on one image: numbers of texts, as many for each cell. */
interface ImageWords {
  shape: [number, number];
  extent: Rectangle;
  frame: Rectangle;
  words: number[];
}

/** Words that the model reads at the places of each image. */
interface PlaceWords {
  texts: string[];
  images: ImageWords[];
}

/** A file to keep, in base64, and what it could not show. */
interface SavedFile {
  name: string;
  mime: string;
  note: string;
  data: string;
}

/** What an answer about a photograph is worth, and the model to load for it; both may be "". */
interface PhotographAdvice {
  run: string;
  text: string;
  model: string;
}

/** The picture with the borders of its parts, as a data URI, and a sentence on them. */
interface PartsPicture {
  picture: string;
  line: string;
}

/** A word that the picture adds next to nothing to. */
interface FlaggedWord {
  subject: Explained;
  text: string;
  label: string;
}

/** The words of an answer that the picture adds next to nothing to. */
interface FlaggedWords {
  flagged: FlaggedWord[];
}

/** How many readings a search has made, and its map so far as a data URI. */
interface SearchStep extends Busy {
  done: number;
  total: number;
  picture: string;
}

/** What a search found, and its map as a data URI. */
interface SearchResult {
  picture: string;
  line: string;
  found: true;
}

/** How well maps agree with what a search found; the last row is that of random orders. */
interface AgreementTable {
  columns: string[];
  rows: string[][];
  rest: string;
}

/** A piece of an answer, and whether the other answer lacks it. */
interface AnswerPiece {
  text: string;
  changed: boolean;
}

/** Both answers; the picture has the parts hidden that the second was given without. */
interface CorrectionResult extends SearchResult {
  before: AnswerPiece[];
  after: AnswerPiece[];
}

/** The subject of a word that was typed. */
interface TypedWord {
  run: string;
  subject: Explained;
}

/** Part of a link, and what cannot be in it. */
interface LinkParameters {
  run?: string | null;
  query: Record<string, string>;
  text: string;
}

/** What a link chooses in an answer; `lacks` the words that the run does not hold yet. */
interface LinkChoice {
  run?: string | null;
  subject: Explained | null;
  lacks: string[];
  text: string;
}

/** The settings that a page starts with; `asks` says whether its link asks for an answer. */
interface RestoredLink {
  settings: PageSettings;
  asks: boolean;
  layer: number | null;
  text: string;
}

/** That an answer is about a masked picture, and which run was shown before, as it was sent. */
interface MaskNote {
  run: string;
  note: string;
  before: {run: string, subject: Explained | null};
}

/** A chip of the token bar: its tokens, and those of the whole word that it belongs to. `thought` marks a chip of the thought that opens an answer. */
interface BarChip {
  index: number;
  text: string;
  role: 'template' | 'prompt' | 'answer' | 'system' | 'earlier_prompt' | 'earlier_answer';
  label?: string;
  tokens: number[];
  word: number[];
  thought?: true;
}

/** A chip while an answer is being generated. */
interface LiveChip {
  index: number;
  text: string;
  role: 'template' | 'prompt' | 'answer' | 'system' | 'earlier_prompt' | 'earlier_answer';
}

/** How much a word of the answer relies on the picture: its share, 0 to 1, and a sentence. `sensitive` says whether it needs the picture, `against` whether it is less likely with it. */
interface ChipReliance {
  share: number;
  sensitive: boolean;
  against: boolean;
  text: string;
}

/** What the line beside a word is made of. `texts` of all tokens can be joined; `probabilities` are null where unknown; `about` holds for all words: model and time; `layer` is the number of the last layer. */
interface AnswerFacts {
  texts: string[];
  probabilities: (number | null)[];
  about: string[];
  layer: number | null;
}

/** The chips of a run. `layers` are the numbers of the decoder layers that maps can be read from, the last at the end; `rests` is null until it is measured; `undrawable` is a sentence on characters that files of pixels cannot show. */
interface BarValue {
  run: string;
  subject: Explained | null;
  chips: BarChip[];
  layers: number[];
  rests: Record<number, ChipReliance> | null;
  undrawable: string;
  facts: AnswerFacts;
}

/** The chips of an answer that is being generated. */
interface LiveBar {
  run: null;
  subject: null;
  chips: LiveChip[];
  live: true;
}

/** No chips. */
interface EmptyBar {
  run: null;
  subject: null;
  chips: LiveChip[];
}

/** The reliance of the words of a run. */
interface RelianceResult {
  run: string;
  rests: Record<number, ChipReliance> | null;
}

/** Why the reliance of the words of a run cannot be measured. */
interface RelianceRefusal {
  why: string;
}

/** The map of one method: a part for each image, or none and `why`. */
interface DrawnMap {
  name: string;
  label: string;
  parts: DrawnPart[];
  note?: string;
  signed?: boolean;
  norm?: string;
  why?: string;
}

/** The maps of one subject, the line beside it, and the largest value on each image. `beta` is what Eq. 9 gives for it; `need` says whether the model has yet to make some maps. */
interface DrawnEntry {
  subject: Explained;
  word: string;
  line: string;
  maps: DrawnMap[];
  peaks: number[];
  beta: number | null;
  need?: boolean;
}

/** The maps of comparison methods for several subjects. */
interface ComparedMaps {
  maps: DrawnEntry[];
}

/** A picture under the maps as a data URI, its width / height, and its name. One of several has a thumbnail, too. */
interface BackdropImage {
  src: string;
  ratio: number;
  label: string;
  thumbnail?: string;
}

/** The pictures of a run. */
interface BackdropValue {
  run: string;
  images: BackdropImage[];
}

/** What Python says while the model does work that a person can end. */
interface EndableBusy extends Busy {
  endable: true;
}

/** That maps can be drawn that the model had to add to; `text` says what went wrong with some. `refresh` differs each time. */
interface MapsMade {
  refresh: number;
  text?: string;
  kind?: 'error';
}

/** How many frames of a film are made; nothing if no film has this ticket. */
interface FilmProgress {
  done?: number;
  total?: number;
}

/** A method in the menu; `asks` says whether the model is run again for each word. */
interface MethodChoice {
  name: string;
  label: string;
  summary: string;
  asks: boolean;
}

/** A picture to choose, by its address. */
interface Thumbnail {
  thumbnail: string;
  label: string;
  prompt: string;
}

/** What a slider can be set to, and what it means. */
interface KnobBounds {
  low: number;
  high: number;
  step: number;
  meaning: string;
}

/** The bounds of a slider, and what it is reset to. */
interface SliderBounds extends KnobBounds {
  default: number;
}

/** The bounds of the sliders of scales, and what they are reset to, as [factor, on]. */
interface ScaleBounds extends KnobBounds {
  defaults: [number, boolean][];
}

/** The sliders of MSEA + ARC. */
interface PanelSpec {
  scales: ScaleBounds;
  k: SliderBounds;
  beta: SliderBounds;
  weights?: KnobBounds;
}

/** A knob without a slider: one of `choices`, or a number within bounds. */
interface OptionKnob {
  name: string;
  kind: string;
  default: OptionScalar;
  meaning: string;
  choices?: string[];
  low?: number;
  high?: number;
  step?: number;
  advanced?: true;
}

/** The options of a method; its knobs are numbers in the list of `OptionProps`. */
interface MethodOptions {
  name: string;
  label: string;
  summary: string;
  paper: string;
  presets: OptionValue;
  knobs: number[];
}

/** The options of all methods, and their knobs, of which methods share most. */
interface OptionProps {
  spec: MethodOptions[];
  knobs: OptionKnob[];
}

/** How far a model is loaded, 0 to 1 or null if not known; `ticket` can cancel it. */
interface ModelLoad {
  name: string;
  stage: string;
  fraction: number | null;
  seconds: number;
  ticket: string;
}

/** The progress of the model that was chosen. */
interface LoadingMenu {
  busy: ModelLoad;
}

/** A model to choose. */
interface MenuModel {
  id: string;
  text: string;
}

/** Models under one heading. */
interface MenuGroup {
  label: string;
  models: MenuModel[];
}

/** Scale factors that a model can be read at, and why no larger ones; nothing if not known. */
interface ModelScales {
  low?: number;
  high?: number;
  why?: string;
}

/** All that the model menu draws. `any` says whether other models may be named; `link` is the address of the model's page, or ""; `thinks` says whether it can open an answer with a thought; `starting` is its progress while the server starts with it; `choices` comes back as the page sent it. */
interface MenuValue {
  model: string;
  groups: MenuGroup[];
  any: boolean;
  line: string;
  link: string;
  details: string;
  scales: ModelScales;
  thinks: boolean;
  said: Message;
  starting: ModelLoad | null;
  choices?: number;
}
