import { mount } from 'svelte';
import './app.css';
import Live from './pages/Live.svelte';

const target = document.getElementById('app');
if (target) mount(Live, { target });
