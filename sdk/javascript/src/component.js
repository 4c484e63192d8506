// Makes the exports of a component: `export const frontend = component(Steps)`. Only there can this be imported.

import * as imports from 'lapstrake:frontend/host@0.1.0';
import { exportsOf } from './frontend.js';

export const component = (Class) => exportsOf(Class, imports);
