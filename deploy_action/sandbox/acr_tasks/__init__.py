"""The registries' remote build: ARM's routes for it, the blob store it reads, the builder."""

from deploy_action.sandbox.acr_tasks.builder import Builder, ImageBuilder
from deploy_action.sandbox.acr_tasks.dockerfile import BuildFailed
from deploy_action.sandbox.acr_tasks.tasks import Tasks

__all__ = ["BuildFailed", "Builder", "ImageBuilder", "Tasks"]
