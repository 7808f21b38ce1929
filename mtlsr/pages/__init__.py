"""Pages in the browser of this machine: enlarge a picture, judge two without their names.

They need the extra `demo` (Gradio); `serving` alone imports it before a page is made.
"""
