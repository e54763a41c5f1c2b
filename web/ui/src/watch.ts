import { mount } from 'svelte';
import './app.css';
import Watch from './pages/watch/Watch.svelte';

const target = document.getElementById('app');
if (target) mount(Watch, { target });
