"""HTTP in and out: `booking` for buyers, `evidence` for whoever looks at what was recorded,
`operations` for whoever runs the lab, `internal` for peers and the lab itself."""
