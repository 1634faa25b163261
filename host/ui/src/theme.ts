import { createTheme, type MantineColorsTuple } from "@mantine/core";

/** The one accent. AA on white from shade 6, on the dark surface up to shade 4. */
const accent: MantineColorsTuple = [
  "#eef3ff",
  "#dbe5fc",
  "#b6c9f6",
  "#8eaaf0",
  "#6c90ea",
  "#3a66d8",
  "#2456c9",
  "#1e49ad",
  "#193d91",
  "#122e70",
];

/** Red that words can be written in and on: AA on white from shade 6, under white text from 5. */
const red: MantineColorsTuple = [
  "#fdecec",
  "#f9d4d5",
  "#f5b5b7",
  "#f29a9d",
  "#e5585d",
  "#cb3038",
  "#b8262e",
  "#a61f27",
  "#8f1a21",
  "#75141a",
];

export const theme = createTheme({
  primaryColor: "accent",
  primaryShade: { light: 6, dark: 5 },
  colors: { accent, red },
  fontFamily: "'Inter Variable', system-ui, sans-serif",
  fontFamilyMonospace: "ui-monospace, 'SF Mono', 'Cascadia Code', Menlo, Consolas, monospace",
  fontSizes: { xs: "12px", sm: "13px", md: "14px", lg: "16px", xl: "20px" },
  spacing: { xs: "4px", sm: "8px", md: "12px", lg: "20px", xl: "32px" },
  radius: { xs: "2px", sm: "4px", md: "6px", lg: "8px", xl: "12px" },
  defaultRadius: "sm",
  cursorType: "pointer",
  focusRing: "auto",
  respectReducedMotion: true,
  headings: {
    fontWeight: "600",
    sizes: { h1: { fontSize: "18px" }, h2: { fontSize: "15px" }, h3: { fontSize: "14px" } },
  },
  components: {
    Button: { defaultProps: { size: "xs" } },
    ActionIcon: { defaultProps: { variant: "subtle", color: "gray", size: "md" } },
    TextInput: { defaultProps: { size: "xs" } },
    NumberInput: { defaultProps: { size: "xs" } },
    PasswordInput: { defaultProps: { size: "xs" } },
    Textarea: { defaultProps: { size: "xs" } },
    Select: { defaultProps: { size: "xs", comboboxProps: { shadow: "md" } } },
    MultiSelect: { defaultProps: { size: "xs", comboboxProps: { shadow: "md" } } },
    TagsInput: { defaultProps: { size: "xs" } },
    Autocomplete: { defaultProps: { size: "xs" } },
    Checkbox: { defaultProps: { size: "xs" } },
    Switch: { defaultProps: { size: "xs" } },
    SegmentedControl: { defaultProps: { size: "xs" } },
    Table: { defaultProps: { fz: "sm", verticalSpacing: 6, horizontalSpacing: "sm" } },
    Tabs: { defaultProps: { keepMounted: false } },
    Tooltip: { defaultProps: { openDelay: 300, withArrow: true, fz: "xs", multiline: true, maw: 380 } },
    Drawer: { defaultProps: { position: "right", closeButtonProps: { "aria-label": "Close" } } },
    Modal: { defaultProps: { centered: true, closeButtonProps: { "aria-label": "Close" } } },
    Menu: { defaultProps: { shadow: "md", position: "bottom-end", withInitialFocusPlaceholder: false } },
  },
});
