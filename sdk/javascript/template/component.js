// The exports of the component.

import { component } from '@lapstrake/sdk/component';
import { Language } from './frontend.js';

export const frontend = component(Language);
