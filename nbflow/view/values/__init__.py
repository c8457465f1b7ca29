"""Values as bounded text, tables, trees and images, rendered with a time limit."""
