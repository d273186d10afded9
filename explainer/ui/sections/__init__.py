"""The sections of the page, in their order. To add one: a folder here, and a line in `SECTIONS`."""

from __future__ import annotations

from explainer.ui.section import Section, folders
from explainer.ui.sections.about import AboutSection
from explainer.ui.sections.conversation import ConversationSection
from explainer.ui.sections.eagle import EagleSection
from explainer.ui.sections.glance import GlanceSection
from explainer.ui.sections.help import HelpSection
from explainer.ui.sections.hiding import HidingSection
from explainer.ui.sections.links import LinksSection
from explainer.ui.sections.map_test import MapTestSection
from explainer.ui.sections.own_picture import OwnPictureSection
from explainer.ui.sections.recorded import RecordedSection
from explainer.ui.sections.reliance import RelianceSection
from explainer.ui.sections.step_by_step import StepByStepSection
from explainer.ui.sections.tour import TourSection
from explainer.ui.sections.words_beside import WordsBesideSection

SECTIONS: tuple[type[Section], ...] = (
    LinksSection,
    TourSection,
    HelpSection,
    OwnPictureSection,
    RelianceSection,
    GlanceSection,
    HidingSection,
    EagleSection,
    WordsBesideSection,
    ConversationSection,
    MapTestSection,
    StepByStepSection,
    RecordedSection,
    AboutSection,
)
FOLDERS = folders(SECTIONS)
