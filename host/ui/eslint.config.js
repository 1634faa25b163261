import a11y from "eslint-plugin-jsx-a11y";
import hooks from "eslint-plugin-react-hooks";
import tseslint from "typescript-eslint";

export default tseslint.config(
  { ignores: ["dist", "node_modules", "src/api/schema.d.ts", "build", "*.cjs", "eslint.config.js"] },
  ...tseslint.configs.recommendedTypeChecked,
  { languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } } },
  hooks.configs.flat.recommended,
  a11y.flatConfigs.recommended,
  {
    rules: {
      "no-console": "error",
      "@typescript-eslint/restrict-template-expressions": ["error", { allowNumber: true }],
      "@typescript-eslint/no-confusing-void-expression": ["error", { ignoreArrowShorthand: true }],
      // The focus goes where a person who opened a dialog expects it.
      "jsx-a11y/no-autofocus": "off",
      // Components of the router take promises that they wait for themselves.
      "@typescript-eslint/only-throw-error": "off",
      // Values of documents are JSON; a text made of an object is better than none.
      "@typescript-eslint/no-base-to-string": "off",
      // What scrolls is reached by keyboard.
      "jsx-a11y/no-noninteractive-tabindex": "off",
      // The canvas and the builder take over what arrives from outside of React.
      "react-hooks/set-state-in-effect": "off",
    },
  },
  // `use` is Playwright's word for handing over a fixture.
  { files: ["tests/**"], rules: { "react-hooks/rules-of-hooks": "off" } },
);
