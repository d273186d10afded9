// The mounts of the page's sections by the names of their modules, and the addresses of the scripts
// of folds. `web/scripts.py` writes this module for a page: it imports those of the folders of its
// sections.

/** @type {Record<string, (context: Context<never, never>) => void>} */
export const SECTIONS = {};

/** @type {Record<string, string>} */
export const FOLDS = {};
