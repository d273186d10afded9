import js from '@eslint/js';
import jsdoc from 'eslint-plugin-jsdoc';
import globals from 'globals';

export default [
  js.configs.recommended,
  {
    files: ['explainer/web/js/**/*.js'],
    languageOptions: {globals: globals.browser},
    plugins: {jsdoc},
    rules: {
      'eqeqeq': ['error', 'always', {null: 'ignore'}],
      'no-implicit-globals': 'error',
      'no-restricted-globals': ['error', 'window', 'globalThis', 'self'],
      'no-restricted-properties': ['error', ...['innerHTML', 'outerHTML', 'insertAdjacentHTML'].map(property => ({property}))],
      'no-var': 'error',
      'prefer-const': ['error', {destructuring: 'all'}],
      'jsdoc/check-param-names': 'error',
      'jsdoc/require-jsdoc': ['error', {publicOnly: true, require: {ArrowFunctionExpression: true, ClassDeclaration: true}}],
      'jsdoc/require-param': 'error',
      'jsdoc/require-param-type': 'error',
      'jsdoc/require-returns': ['error', {forceRequireReturn: true}],
      'jsdoc/require-returns-type': 'error',
    },
  },
  {files: ['tests/web/*.js'], languageOptions: {globals: globals.node}},
].map(part => part.plugins  // modules of sections follow the rules of the page's
  ? {...part, files: [...part.files, 'explainer/ui/sections/*/*.js']} : part);
