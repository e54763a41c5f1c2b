import { mount } from 'svelte';
import './app.css';
import Studio from './pages/studio/Studio.svelte';

const target = document.getElementById('app');
if (target) mount(Studio, { target });
