import { mount } from 'svelte';
import './app.css';
import Admin from './pages/admin/Admin.svelte';

const target = document.getElementById('app');
if (target) mount(Admin, { target });
