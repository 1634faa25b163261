import { Button, Center, Paper, PasswordInput, Stack, TextInput, Title } from "@mantine/core";
import { useQueryClient } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { useEffect, useState, type SubmitEvent } from "react";

import { logIn } from "@/api/session";
import { useParams } from "@/lib/search";
import { ProblemAlert } from "@/ui/states";

/** Only places of this site: an address in a link must not lead elsewhere. */
export function safePlace(to: string | undefined): string {
  return to && /^\/(?![/\\])/.test(to) && !to.startsWith("/login") ? to : "/";
}

export function LoginPage() {
  const client = useQueryClient();
  const navigate = useNavigate();
  const [params] = useParams();
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>(null);
  useEffect(() => {
    document.title = "Log in · PowerFlow";
  }, []);
  const submit = async (event: SubmitEvent<HTMLFormElement>) => {
    event.preventDefault();
    const form = new FormData(event.currentTarget);
    setBusy(true);
    setError(null);
    try {
      await logIn(client, form.get("user") as string, form.get("password") as string);
      await navigate({ to: safePlace(params.to) as "/", replace: true });
    } catch (problem) {
      setError(problem);
    } finally {
      setBusy(false);
    }
  };
  return (
    <Center component="main" mih="100vh" p="md" bg="var(--surface-sunk)">
      <Paper withBorder p="xl" w="100%" maw={360}>
        <form onSubmit={(event) => void submit(event)}>
          <Stack gap="md">
            <Title order={1}>PowerFlow</Title>
            <TextInput size="sm" name="user" label="Name" autoComplete="username" autoFocus required />
            <PasswordInput
              size="sm"
              name="password"
              label="Password"
              autoComplete="current-password"
              required
              visibilityToggleButtonProps={{ "aria-label": "Show the password" }}
            />
            {error ? <ProblemAlert title="Not logged in" error={error} /> : null}
            <Button type="submit" size="sm" loading={busy}>
              Log in
            </Button>
          </Stack>
        </form>
      </Paper>
    </Center>
  );
}
