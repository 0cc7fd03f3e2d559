"""The embedded policy: a real, tiny Stable Diffusion pipeline of sixty drawn animals, its weights and its scorers."""
