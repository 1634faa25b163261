import "@fontsource-variable/inter/wght.css";
import "./styles/mantine";
import "@mantine/notifications/styles.css";
import "./styles/global.css";

import { createRoot } from "react-dom/client";

import { App } from "./app/App";

const root = document.getElementById("root");
if (root) createRoot(root).render(<App />);
