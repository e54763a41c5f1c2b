import { mount } from 'svelte';
import './app.css';
import Live from './pages/live/Live.svelte';

const target = document.getElementById('app');
if (target) mount(Live, { target });
