package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/alecthomas/kong"
	kongyaml "github.com/alecthomas/kong-yaml"
	"gopkg.in/yaml.v3"
)

// loadConfig reads a configuration file: YAML, options by their long names,
// those of one command either under its name or behind it ("server: {listen:
// …}", "server-listen: …"). A name that no command has is an error: a
// misspelt option that is quietly ignored is worse than none.
func loadConfig(r io.Reader) (kong.Resolver, error) {
	text, err := io.ReadAll(r)
	if err != nil {
		return nil, err
	}
	var names map[string]any
	if err := yaml.Unmarshal(text, &names); err != nil {
		return nil, fmt.Errorf("configuration file: %w", err)
	}
	values, err := kongyaml.Loader(bytes.NewReader(text))
	if err != nil {
		return nil, err
	}
	return &config{Resolver: values, names: names}, nil
}

// config is the resolver of a file, with a check of the names in it.
type config struct {
	kong.Resolver
	names map[string]any
}

// Resolve finds an option in the file, unless the environment has it: what is
// closer to the call wins.
func (c *config) Resolve(context *kong.Context, parent *kong.Path, flag *kong.Flag) (any, error) {
	for _, name := range flag.Envs {
		if _, ok := os.LookupEnv(name); ok {
			return nil, nil
		}
	}
	return c.Resolver.Resolve(context, parent, flag)
}

func (c *config) Validate(app *kong.Application) error {
	return checkNames(c.names, "", optionNames(app.Node, ""))
}

// optionNames lists the options of a command and of those below it, each with
// the names of its commands before it.
func optionNames(n *kong.Node, prefix string) []string {
	var names []string
	for _, f := range n.Flags {
		names = append(names, prefix+f.Name)
	}
	for _, child := range n.Children {
		names = append(names, optionNames(child, prefix+child.Name+"-")...)
	}
	return names
}

func checkNames(given map[string]any, prefix string, known []string) error {
	for name, value := range given {
		if below, ok := value.(map[string]any); ok {
			if err := checkNames(below, prefix+name+"-", known); err != nil {
				return err
			}
			continue
		}
		if !slices.Contains(known, prefix+name) {
			return fmt.Errorf("configuration file: no option is called %q", prefix+name)
		}
	}
	return nil
}
